"""The history of the tables, in plain SQL, run by Alembic."""
