"""Load facts from files."""
