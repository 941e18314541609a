"""Create the first tables."""

from unenroll.postgres.migrations.sql_file import run_sql_file

revision = "0001"
down_revision: str | None = None
oldest_program = "0001"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_file(__file__)
