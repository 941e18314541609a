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

from support.databases import cloned_database
from support.deployment import Deployment, deploy, group_of
from support.events import ABC
from support.files import XYZ
from support.resource_pool import ResourcePool
from unenroll.postgres.migrate import migrate
from unenroll.sandbox.environment import cache_folder
from unenroll.sandbox.servers import ServerAddresses, ServerPair, embedded_servers


@pytest.fixture(scope="session")
def deployments(servers: ServerAddresses, template: str) -> Iterator[ResourcePool[Deployment]]:
    """Topics and tables, made ahead."""

    @asynccontextmanager
    async def one() -> AsyncIterator[Deployment]:
        async with cloned_database(servers, template) as url:
            prefix = f"t{secrets.token_hex(4)}."
            yield await deploy(Deployment(kafka=servers.kafka, database_url=url, prefix=prefix, folder=Path()))

    with closing(ResourcePool(one)) as stock:
        yield stock


@pytest.fixture
def deployment(deployments: ResourcePool[Deployment], tmp_path: Path) -> Iterator[Deployment]:
    """Milestone ABC is defined, and nobody is enrolled yet."""
    one = deployments.acquire()
    yield replace(one.thing, folder=tmp_path)
    deployments.release(one)


@pytest.fixture
def nowhere(servers: ServerAddresses, tmp_path: Path) -> Deployment:
    """For what is refused before anybody asks for topics or tables: there are none."""
    return Deployment(kafka=servers.kafka, database_url=servers.database_url, prefix="nowhere.", folder=tmp_path)


@pytest.fixture(scope="module")
async def shared_deployment(
    servers: ServerAddresses, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Deployment]:
    """Milestone ABC and streak XYZ are defined, and nobody is enrolled yet."""
    folder = tmp_path_factory.mktemp("shared")
    async with cloned_database(servers, template) as url:
        deployment = Deployment(
            kafka=servers.kafka, database_url=url, prefix=f"{folder.name}.{url[-8:]}.", folder=folder
        )
        yield await deploy(deployment, group_of(ABC), group_of(XYZ))


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
async def own_deployment(pair: ServerPair, tmp_path: Path) -> Deployment:
    database_url = pair.postgres.program.address
    await migrate(database_url)
    kafka = pair.kafka.program.address
    return await deploy(Deployment(kafka=kafka, database_url=database_url, prefix="unenroll.", folder=tmp_path))
