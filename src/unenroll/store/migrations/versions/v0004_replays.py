"""Replays that publish again."""

from unenroll.store.migrations.plain import run_sql_beside

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_beside(__file__)
