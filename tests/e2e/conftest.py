"""One test's own topics and tables, with milestone ABC in them."""

from pathlib import Path

import pytest

from stage.place import Place, made
from unenroll.sandbox.servers import Servers


@pytest.fixture
async def place(servers: Servers, database_url: str, prefix: str, tmp_path: Path) -> Place:
    """Milestone ABC is defined, and nobody is enrolled yet."""
    return await made(Place(kafka=servers.kafka, database_url=database_url, prefix=prefix, folder=tmp_path))
