"""One Kafka and one Postgres per session; a fresh topic prefix and a fresh database per test."""

import os
import secrets
import sys
from collections.abc import AsyncIterator

import pytest

from unenroll.sandbox.servers import Servers


@pytest.fixture(scope="session")
async def servers(pytestconfig: pytest.Config) -> AsyncIterator[Servers]:
    """A pair of servers for all tests, by the provider chain."""
    from providers import coordinated, provided  # noqa: PLC0415 - half a second that tests without servers need not pay

    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def say(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress, for a person who waits

    async with provided(os.environ, say=say) as pair:
        await coordinated(pair.kafka)
        yield pair


@pytest.fixture
def prefix() -> str:
    """What the names of a test's topics begin with."""
    return f"t{secrets.token_hex(4)}."


@pytest.fixture(scope="session")
async def template(servers: Servers) -> AsyncIterator[str]:
    """The name of a migrated database that tests clone."""
    from stage.databases import migrated  # noqa: PLC0415 - half a second that tests without servers need not pay

    async with migrated(servers) as name:
        yield name


@pytest.fixture
async def database_url(servers: Servers, template: str) -> AsyncIterator[str]:
    """A migrated database of the test's own."""
    from stage.databases import cloned  # noqa: PLC0415 - the same

    async with cloned(servers, template) as url:
        yield url
