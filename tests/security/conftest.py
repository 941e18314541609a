"""A Kafka that guards its topics, and a database that guards its tables, for the tests of this folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from security.fortified import fortified
from support.secure_kafka import Guarded, TokenServer
from support.secure_servers import Stronghold, strong_database, strong_kafka
from unenroll.sandbox.servers import ServerAddresses

Doors = tuple[Guarded, TokenServer, dict[str, str]]


@pytest.fixture(scope="session")
async def doors(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Doors]:
    """A guarded Kafka, who gives tokens for it, and the passwords."""
    async with strong_kafka(tmp_path_factory.mktemp("doors")) as found:
        yield found


@pytest.fixture
async def stronghold(doors: Doors, servers: ServerAddresses, prefix: str, tmp_path: Path) -> AsyncIterator[Stronghold]:
    """Topics and tables, with the rights of deploy/ and milestone ABC."""
    kafka, tokens, passwords = doors
    async with strong_database(servers, passwords) as url:
        yield await fortified(
            Stronghold(
                kafka=kafka,
                tokens=tokens,
                passwords=passwords,
                folder=tmp_path,
                database_url=url,
                prefix=prefix,
                group_id=f"{prefix}group",
            )
        )
