"""Definitions over Kafka: refusals, and accounts to be settled again."""

from unenroll.store.migrations.plain import run_sql_beside

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_beside(__file__)
