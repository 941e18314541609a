"""Lanes that a process takes by itself, and lanes that move to another database."""

from unenroll.store.migrations.plain import run_sql_beside

revision = "0010"
down_revision: str | None = "0009"
oldest_program = "0007"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_beside(__file__)
