"""The steps of the tables' history, run by Alembic: it takes a third of a second to import."""

from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from unenroll.errors import SetupError

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x756E656E726F6C6C  # one migration of a database at a time: the key of an advisory lock


async def upgrade(database_url: str) -> tuple[str | None, str]:
    """Run the steps that are missing, one process at a time. Raises SetupError, and what asyncpg raises.

    Returns the version of the tables before (None: there were none) and after.
    """
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(database_url), poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_upgrade)
    except DBAPIError as error:
        raise _cause(error) from None
    finally:
        await engine.dispose()


def _cause(error: DBAPIError) -> BaseException:
    """What asyncpg raised, which SQLAlchemy has wrapped twice."""
    return (error.orig and error.orig.__cause__) or error.orig or error


def newest() -> str:
    """The version of the tables that this program works with."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise SetupError("the program carries no migrations: install it again")
    return head


def _upgrade(connection: Connection) -> tuple[str | None, str]:
    connection.execute(text("select pg_advisory_lock(:key)"), {"key": _LOCK})
    connection.commit()
    before = MigrationContext.configure(connection).get_current_revision()
    connection.commit()
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.commit()
    return before, newest()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config
