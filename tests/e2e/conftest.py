"""Topics and tables of a test's own, with milestone ABC in them, or of a module's, with streak XYZ in them as well.

And servers of a test's own.
"""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from support.databases import cloned
from support.events import ABC
from support.files import XYZ
from support.place import Place, group_of, made
from support.stock import Stock
from unenroll.postgres.migrate import migrate
from unenroll.sandbox.environment import cache_folder
from unenroll.sandbox.servers import ServerAddresses, ServerPair, embedded_servers


@pytest.fixture(scope="session")
def places(servers: ServerAddresses, template: str) -> Iterator[Stock[Place]]:
    """Topics and tables, made ahead."""

    @asynccontextmanager
    async def one() -> AsyncIterator[Place]:
        async with cloned(servers, template) as url:
            prefix = f"t{secrets.token_hex(4)}."
            yield await made(Place(kafka=servers.kafka, database_url=url, prefix=prefix, folder=Path()))

    with closing(Stock(one)) as stock:
        yield stock


@pytest.fixture
def place(places: Stock[Place], tmp_path: Path) -> Iterator[Place]:
    """Milestone ABC is defined, and nobody is enrolled yet."""
    one = places.take()
    yield replace(one.thing, folder=tmp_path)
    places.give_back(one)


@pytest.fixture
def nowhere(servers: ServerAddresses, tmp_path: Path) -> Place:
    """For what is refused before anybody asks for topics or tables: there are none."""
    return Place(kafka=servers.kafka, database_url=servers.database_url, prefix="nowhere.", folder=tmp_path)


@pytest.fixture(scope="module")
async def shared_place(
    servers: ServerAddresses, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    """Milestone ABC and streak XYZ are defined, and nobody is enrolled yet."""
    folder = tmp_path_factory.mktemp("shared")
    async with cloned(servers, template) as url:
        place = Place(kafka=servers.kafka, database_url=url, prefix=f"{folder.name}.{url[-8:]}.", folder=folder)
        yield await made(place, group_of(ABC), group_of(XYZ))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that whoever Postgres runs as may enter."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
async def pair(open_folder: Path) -> AsyncIterator[ServerPair]:
    """Servers of the test's own, which it may stop and start again."""
    async with embedded_servers(cache=cache_folder({}), say=lambda _: None, data=open_folder) as servers:
        yield servers


@pytest.fixture
async def own_place(pair: ServerPair, tmp_path: Path) -> Place:
    database_url = pair.postgres.program.address
    await migrate(database_url)
    kafka = pair.kafka.program.address
    return await made(Place(kafka=kafka, database_url=database_url, prefix="unenroll.", folder=tmp_path))
