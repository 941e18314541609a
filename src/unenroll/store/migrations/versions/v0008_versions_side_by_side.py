"""Programs of several versions on the same tables."""

from unenroll.store.migrations.plain import run_sql_beside

revision = "0008"
down_revision: str | None = "0007"
oldest_program = "0007"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_beside(__file__)
