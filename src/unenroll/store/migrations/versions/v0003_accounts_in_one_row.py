"""Accounts in one row each."""

from unenroll.store.migrations.plain import run_sql_beside

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_beside(__file__)
