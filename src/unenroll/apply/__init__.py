"""A plan carried out: its requests put on their topic, and what the lanes decide held against it."""
