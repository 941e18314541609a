"""The first tables."""

from unenroll.postgres.migrations.env import run_sql_beside

revision = "0001"
down_revision: str | None = None
oldest_program = "0001"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_beside(__file__)
