"""Requests that came over HTTP, kept before they are published."""

from unenroll.store.migrations.plain import run_sql_beside

revision = "0007"
down_revision: str | None = "0006"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_beside(__file__)
