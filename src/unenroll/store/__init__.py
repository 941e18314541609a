"""Postgres: what is known, gathered and saved for a whole batch."""
