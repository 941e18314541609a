"""One Kafka and one Postgres per session; a fresh topic prefix and a fresh database per test."""

import os
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

import shared_servers
from support.resource_pool import ResourcePool
from unenroll.sandbox.servers import ServerAddresses

_ENDING = pytest.StashKey[ExitStack]()
_FILE = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Start one pair of servers for all test processes if there are several."""
    if config.getoption("numprocesses", None) and not config.getoption("collectonly"):
        config.stash[_ENDING] = ExitStack()
        config.stash[_FILE] = config.stash[_ENDING].enter_context(shared_servers.start_servers())


def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 - xdist has no type for it
    """Pass the file with the addresses to a test process."""
    node.workerinput["servers"] = str(node.config.stash[_FILE])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers."""
    if _ENDING in config.stash:
        config.stash[_ENDING].close()


@pytest.fixture(scope="session")
async def servers(pytestconfig: pytest.Config) -> AsyncIterator[ServerAddresses]:
    """A pair of servers for all tests: shared with other test processes, or from the provider chain."""
    if shared := getattr(pytestconfig, "workerinput", {}).get("servers"):
        yield await shared_servers.wait_for_servers(Path(shared))
        return
    from providers import server_providers, wait_for_coordinator  # noqa: PLC0415 - half a second that tests without servers need not pay

    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def say(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress, for a person who waits

    async with server_providers(os.environ, say=say) as pair:
        await wait_for_coordinator(pair.kafka)
        yield pair


@pytest.fixture
def prefix() -> str:
    """The topic prefix of a test."""
    return f"t{secrets.token_hex(4)}."


@pytest.fixture(scope="session")
async def template(servers: ServerAddresses) -> AsyncIterator[str]:
    """The name of the migrated database that tests clone."""
    from support.databases import migrated_database  # noqa: PLC0415 - half a second that tests without servers need not pay

    async with migrated_database(servers) as name:
        yield name


@pytest.fixture(scope="session")
def databases(servers: ServerAddresses, template: str) -> Iterator[ResourcePool[str]]:
    """Migrated databases, created ahead."""
    from support.databases import cloned_database  # noqa: PLC0415 - the same

    with closing(ResourcePool(lambda: cloned_database(servers, template))) as stock:
        yield stock


@pytest.fixture
def database_url(databases: ResourcePool[str]) -> Iterator[str]:
    """The URL of the test's own migrated database."""
    database = databases.acquire()
    yield database.thing
    databases.release(database)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Any]:
    """A pool of connections to that database."""
    from unenroll.postgres.pool import open_pool  # noqa: PLC0415 - the same

    async with open_pool(database_url) as connections:
        yield connections
