"""The schema, as Alembic applies it."""
