"""A database where lanes leave, and one where they arrive."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from stage.databases import cloned
from stage.place import Place, made
from unenroll.sandbox.place import Place as Folder
from unenroll.sandbox.place import cache_folder
from unenroll.sandbox.postgres import postgres
from unenroll.sandbox.servers import Servers
from unenroll.store.migrate import migrate


@pytest.fixture
async def place(servers: Servers, database_url: str, prefix: str, tmp_path: Path) -> Place:
    """Milestone ABC is defined, and nobody is enrolled yet."""
    return await made(Place(kafka=servers.kafka, database_url=database_url, prefix=prefix, folder=tmp_path))


@pytest.fixture
async def second_database(servers: Servers, template: str) -> AsyncIterator[str]:
    """On the same server."""
    async with cloned(servers, template) as url:
        yield url


@pytest.fixture
async def second_server(open_folder: Path) -> AsyncIterator[str]:
    """A database on a server of its own."""
    where = Folder(data=open_folder, cache=cache_folder({}), passing=False, say=lambda _: None)
    async with postgres(where) as server:
        await migrate(server.program.address)
        yield server.program.address


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that whoever Postgres runs as may enter."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
