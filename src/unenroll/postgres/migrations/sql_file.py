"""Run the SQL file of a migration."""

from pathlib import Path

import asyncpg
from alembic import op


def run_sql_file(migration: str) -> None:
    """Run the SQL file with the name and folder of the Python file `migration`, in the transaction of the migration."""
    sql = Path(migration).with_suffix(".sql").read_text(encoding="utf-8")

    async def run(connection: asyncpg.Connection) -> None:
        await connection.execute(sql)

    adapter = op.get_bind().connection.dbapi_connection
    if adapter is None:
        raise RuntimeError("the connection of the migration is closed")
    adapter.run_async(run)
