"""Erase a customer from Postgres."""
