"""What no replay needs any more, forgotten."""
