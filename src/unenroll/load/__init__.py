"""Definitions and facts from files straight into Postgres, beside the workers: big first loads."""
