"""One Kafka and one Postgres per session; a fresh topic prefix and a fresh database per test."""

import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest

from unenroll.sandbox.servers import Servers


@pytest.fixture(scope="session")
async def servers(pytestconfig: pytest.Config) -> AsyncIterator[Servers]:
    """A pair of servers for all tests, by the provider chain."""
    from providers import provided  # noqa: PLC0415 - half a second that tests without servers need not pay

    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def say(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress, for a person who waits

    async with provided(os.environ, say=say) as pair:
        yield pair


@pytest.fixture
def prefix() -> str:
    """What the names of a test's topics begin with."""
    return f"t{secrets.token_hex(4)}."


@pytest.fixture(scope="session")
async def template(servers: Servers) -> AsyncIterator[str]:
    """The name of a migrated database that tests clone."""
    from unenroll.store.migrate import migrate  # noqa: PLC0415 - half a second that tests without servers need not pay

    async with _new_database(servers, f"unenroll_template_{secrets.token_hex(4)}") as name:
        await migrate(_url(servers, name))
        yield name


@pytest.fixture
async def database_url(servers: Servers, template: str) -> AsyncIterator[str]:
    """A migrated database of the test's own."""
    async with _new_database(servers, f"unenroll_test_{secrets.token_hex(4)}", f"template {template}") as name:
        yield _url(servers, name)


@asynccontextmanager
async def _new_database(servers: Servers, name: str, options: str = "") -> AsyncIterator[str]:
    await _execute(servers, f"create database {name} {options}")
    try:
        yield name
    finally:
        await _execute(servers, f"drop database {name} with (force)")


async def _execute(servers: Servers, statement: str) -> None:
    connection = await asyncpg.connect(servers.database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _url(servers: Servers, name: str) -> str:
    return urlsplit(servers.database_url)._replace(path=f"/{name}").geturl()
