"""Creates or upgrades the tables; safe to repeat, and from several places at once."""

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
from unenroll.postgres.errors import classify, postgres_errors
from unenroll.postgres.queries import QUERIES


@dataclass(frozen=True, kw_only=True, slots=True)
class Migrated:
    """The version of the tables before (None: there were none) and after."""

    before: str | None
    after: str


async def migrate(database_url: str, *, even_if_held: bool = False) -> Migrated:
    """Bring the tables up to date. Raises OutageError, SetupError and UsageError.

    `even_if_held`: even if older workers hold lanes that do not work with what the tables become.
    """
    with postgres_errors(), classify():
        before, after = await upgrade(database_url, Upgrade(even_if_held=even_if_held))
    return Migrated(before=before, after=after)


_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x756E656E726F6C6C  # one migration of a database at a time: the key of an advisory lock


@dataclass(frozen=True, kw_only=True, slots=True)
class Upgrade:
    """`steps` are a folder of the history. `even_if_held`: even from beneath older workers that hold lanes."""

    steps: Path = _MIGRATIONS / "versions"
    even_if_held: bool = False


async def upgrade(database_url: str, how: Upgrade) -> tuple[str | None, str]:
    """Run the steps that are missing, one process at a time. Raises SetupError, and what asyncpg raises.

    Returns the version of the tables before (None: there were none) and after, which is another one than the newest
    where a newer program was here and the tables still work with this one.
    """
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(database_url), poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_upgrade, how)
    except DBAPIError as error:
        raise _cause(error) from None
    finally:
        await engine.dispose()


def _cause(error: DBAPIError) -> BaseException:
    """What asyncpg raised, which SQLAlchemy has wrapped twice."""
    return (error.orig and error.orig.__cause__) or error.orig or error


def newest(how: Upgrade = Upgrade()) -> str:
    """The version of the tables that this program works with."""
    return _newest(_config(how)).revision


def _newest(config: Config) -> Script:
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    if head is None:
        raise SetupError("the program carries no migrations: install it again")
    return scripts.get_revision(head)


def _upgrade(connection: Connection, how: Upgrade) -> tuple[str | None, str]:
    connection.execute(text("select pg_advisory_lock(:key)"), {"key": _LOCK})
    connection.commit()
    before = MigrationContext.configure(connection).get_current_revision()
    config = _config(how)
    head = _newest(config)
    oldest: str = head.module.oldest_program
    if before is not None and before > head.revision:
        return before, _as_it_is(connection, before, head.revision)
    if before is not None and before < head.revision and not how.even_if_held:
        _check_lanes(connection, oldest)
    connection.commit()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.execute(text("update oldest_program set version = :oldest"), {"oldest": oldest})
    connection.commit()
    return before, head.revision


def _as_it_is(connection: Connection, found: str, ours: str) -> str:
    """The version of tables that a newer program has upgraded, if they work with this one."""
    if connection.execute(text("select version from oldest_program")).scalar_one() > ours:
        raise SetupError(f"the tables are at version {found}, newer than this program; install a newer one")
    return found


def _check_lanes(connection: Connection, oldest: str) -> None:
    """Raise SetupError if workers hold lanes that the new tables do not work with."""
    held = connection.execute(text(QUERIES["lanes_of_older"].replace("$1", ":oldest")), {"oldest": oldest}).all()
    if held:
        told = ", ".join(f"{row.partition} of {row.group_id} ({row.owner_version})" for row in held[:10])
        raise SetupError(
            f"programs older than version {oldest} of the tables may hold lanes: {told}; upgrade the workers first, "
            "and let them open these lanes. If nobody holds them any more: --even-if-held"
        )


def _config(how: Upgrade) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("version_locations", str(how.steps))
    config.set_main_option("path_separator", "os")
    return config
