"""Create or upgrade the tables. It is safe to repeat this, and to run it in several processes at once."""

from dataclasses import dataclass
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from unenroll.errors import SetupError
from unenroll.postgres.errors import database_url_errors, postgres_errors
from unenroll.postgres.queries import QUERIES


@dataclass(frozen=True, kw_only=True, slots=True)
class Migrated:
    """The version of the tables before (None: there were no tables) and after."""

    before: str | None
    after: str


async def migrate(database_url: str, *, even_if_held: bool = False) -> Migrated:
    """Create or upgrade the tables. Raises OutageError, SetupError and UsageError.

    With `even_if_held`, it upgrades even if older workers own lanes and do not work with the new tables.
    """
    with postgres_errors(), database_url_errors():
        return await upgrade(database_url, Upgrade(even_if_held=even_if_held))


_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_KEY = 0x756E656E726F6C6C  # of an advisory lock: only one process at a time migrates a database


@dataclass(frozen=True, kw_only=True, slots=True)
class Upgrade:
    """How to upgrade. `migrations` is the folder of the migrations.

    With `even_if_held`, upgrade even if older workers own lanes.
    """

    migrations: Path = _MIGRATIONS / "versions"
    even_if_held: bool = False


async def upgrade(database_url: str, options: Upgrade) -> Migrated:
    """Run the missing migrations, in one process at a time. Raises SetupError and the errors of asyncpg.

    The version after it is newer than this program if a newer program has upgraded the tables and they still work
    with this one.
    """
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(database_url), poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_upgrade, options)
    except DBAPIError as error:
        raise _cause(error) from None
    finally:
        await engine.dispose()


def _cause(error: DBAPIError) -> BaseException:
    """The error of asyncpg, which SQLAlchemy has wrapped twice."""
    return (error.orig and error.orig.__cause__) or error.orig or error


def newest_version() -> str:
    """Return the version of the newest migration."""
    return _newest(_config(Upgrade())).revision


def _newest(config: Config) -> Script:
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    if head is None:
        raise SetupError("the program has no migrations: install it again")
    return scripts.get_revision(head)


def _upgrade(connection: Connection, options: Upgrade) -> Migrated:
    connection.execute(text("select pg_advisory_lock(:key)"), {"key": _LOCK_KEY})
    connection.commit()
    before = MigrationContext.configure(connection).get_current_revision()
    config = _config(options)
    head = _newest(config)
    oldest: str = head.module.oldest_program
    if before is not None and before > head.revision:
        _check_program(connection, before, head.revision)
        return Migrated(before=before, after=before)
    if before is not None and before < head.revision and not options.even_if_held:
        _check_lanes(connection, oldest)
    connection.commit()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.execute(text("update oldest_program set version = :oldest"), {"oldest": oldest})
    connection.commit()
    return Migrated(before=before, after=head.revision)


def _check_program(connection: Connection, found: str, version: str) -> None:
    """Raise SetupError if newer tables do not work with this program."""
    if connection.execute(text(QUERIES["oldest_program"])).scalar_one() > version:
        raise SetupError(f"the tables are at version {found}, which needs a newer program; install a newer one")


def _check_lanes(connection: Connection, oldest: str) -> None:
    """Raise SetupError if workers that do not work with the new tables own lanes."""
    query = QUERIES["lanes_of_older_programs"].replace("$1", ":oldest")
    rows = connection.execute(text(query), {"oldest": oldest}).all()
    if rows:
        lanes = ", ".join(f"{row.partition} of {row.group_id} ({row.owner_version})" for row in rows[:10])
        raise SetupError(
            f"workers older than version {oldest} of the tables may own lanes: {lanes}; upgrade the workers first, "
            "so that they open these lanes. If no worker owns them any more, use --even-if-held"
        )


def _config(options: Upgrade) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("version_locations", str(options.migrations))
    config.set_main_option("path_separator", "os")
    return config
