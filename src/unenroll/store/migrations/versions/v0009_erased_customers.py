"""Customers who were erased on request."""

from unenroll.store.migrations.plain import run_sql_beside

revision = "0009"
down_revision: str | None = "0008"
oldest_program = "0007"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_beside(__file__)
