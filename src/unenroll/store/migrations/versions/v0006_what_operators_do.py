"""What operators do: dead letters put back or parked, offsets set."""

from unenroll.store.migrations.plain import run_sql_beside

revision = "0006"
down_revision: str | None = "0005"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_beside(__file__)
