"""Requests of a plan, which may be stale."""

from unenroll.store.migrations.plain import run_sql_beside

revision = "0005"
down_revision: str | None = "0004"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_beside(__file__)
