"""Alembic runs this: the steps over the connection that `store.upgrade` opened."""

from pathlib import Path

import asyncpg
from alembic import context, op

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()


def run_sql_beside(step: str) -> None:
    """Run all statements of the SQL file that stands beside the Python file `step`, in the step's transaction."""
    sql = Path(step).with_suffix(".sql").read_text(encoding="utf-8")

    async def run(connection: asyncpg.Connection) -> None:
        await connection.execute(sql)

    adapter = op.get_bind().connection.dbapi_connection
    if adapter is None:
        raise RuntimeError("the connection of the migration is closed")
    adapter.run_async(run)
