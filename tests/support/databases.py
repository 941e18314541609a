"""Creates databases for tests: empty, migrated, cloned, or of a newer program version."""

import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from shutil import copytree, ignore_patterns
from urllib.parse import urlsplit

import asyncpg

from support.workers import RunningCommand
from unenroll.cli import main
from unenroll.postgres import migrations
from unenroll.postgres import pool as connect
from unenroll.postgres.migrate import Upgrade, migrate
from unenroll.sandbox.servers import ServerAddresses


@asynccontextmanager
async def migrated_database(servers: ServerAddresses) -> AsyncIterator[str]:
    """A new migrated database to clone, by its name."""
    async with _new(servers, f"unenroll_template_{secrets.token_hex(4)}") as name:
        await migrate(_url(servers, name))
        yield name


@asynccontextmanager
async def cloned_database(servers: ServerAddresses, template: str) -> AsyncIterator[str]:
    """The URL of a copy of the database `template`. No connection to the template may be open."""
    async with _new(servers, f"unenroll_test_{secrets.token_hex(4)}", f"template {template}") as name:
        yield _url(servers, name)


@asynccontextmanager
async def empty_database(servers: ServerAddresses) -> AsyncIterator[str]:
    """The URL of an empty database."""
    async with _new(servers, f"unenroll_test_{secrets.token_hex(4)}") as name:
        yield _url(servers, name)


@asynccontextmanager
async def _new(servers: ServerAddresses, name: str, options: str = "") -> AsyncIterator[str]:
    await _execute(servers, f"create database {name} {options}")
    try:
        yield name
    finally:
        await _execute(servers, f"drop database {name} with (force)")


async def _execute(servers: ServerAddresses, statement: str) -> None:
    connection = await asyncpg.connect(servers.database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _url(servers: ServerAddresses, name: str) -> str:
    return urlsplit(servers.database_url)._replace(path=f"/{name}").geturl()


NEWER = "9001"
"""The tables' version of the newer program."""

_STEP = '''
"""A step of a newer program."""

from alembic import op

from unenroll.postgres.pool import TABLES_VERSION

revision = "{newer}"
down_revision = TABLES_VERSION
oldest_program = "{oldest}"


def upgrade() -> None:
    op.execute("{sql}")
'''
EXPANDS = "alter table ledger add column more text"
CONTRACTS = "alter table lanes drop column updated_at"


def newer(folder: Path, sql: str, *, oldest: str) -> Upgrade:
    """The migrations of a newer program: its step runs this SQL and works with programs from version `oldest` on."""
    steps = folder / "versions"
    copytree(Path(migrations.__path__[0], "versions"), steps, ignore=ignore_patterns("__pycache__"))
    (steps / "v9001.py").write_text(_STEP.format(newer=NEWER, oldest=oldest, sql=sql))
    return Upgrade(migrations=steps)


def _be(version: str) -> None:
    connect.TABLES_VERSION = version
    main()


@contextmanager
def of_version(version: str, *arguments: str, environment: Mapping[str, str]) -> Iterator[RunningCommand]:
    """Run the command as a program of this version."""
    command = RunningCommand(partial(_be, version), arguments, environment)
    try:
        yield command
    finally:
        command.end()
