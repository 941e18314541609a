"""Topics and tables of a test's own, with milestone ABC in them, or of a module's, with streak XYZ in them as well."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stage.databases import cloned
from stage.events import ABC
from stage.files import XYZ
from stage.place import Place, group_of, made
from unenroll.sandbox.servers import Servers


@pytest.fixture
async def place(servers: Servers, database_url: str, prefix: str, tmp_path: Path) -> Place:
    """Milestone ABC is defined, and nobody is enrolled yet."""
    return await made(Place(kafka=servers.kafka, database_url=database_url, prefix=prefix, folder=tmp_path))


@pytest.fixture(scope="module")
async def shared_place(
    servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    """Milestone ABC and streak XYZ are defined, and nobody is enrolled yet."""
    folder = tmp_path_factory.mktemp("shared")
    async with cloned(servers, template) as url:
        place = Place(kafka=servers.kafka, database_url=url, prefix=f"{folder.name}.{url[-8:]}.", folder=folder)
        yield await made(place, group_of(ABC), group_of(XYZ))
