"""A Kafka that config its topics, and a database that config its tables, for the tests of this folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from security.fortified import fortified
from support.secure_kafka import SecureKafka, TokenServer
from support.secure_servers import SecureServers, secure_database, secure_kafka_with_users
from unenroll.sandbox.servers import ServerAddresses

Doors = tuple[SecureKafka, TokenServer, dict[str, str]]


@pytest.fixture(scope="session")
async def doors(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Doors]:
    """A secure_kafka Kafka, who gives tokens for it, and the passwords."""
    async with secure_kafka_with_users(tmp_path_factory.mktemp("doors")) as found:
        yield found


@pytest.fixture
async def stronghold(
    doors: Doors, servers: ServerAddresses, prefix: str, tmp_path: Path
) -> AsyncIterator[SecureServers]:
    """Topics and tables, with the rights of deploy/ and milestone ABC."""
    kafka, tokens, passwords = doors
    async with secure_database(servers, passwords) as url:
        yield await fortified(
            SecureServers(
                kafka=kafka,
                tokens=tokens,
                passwords=passwords,
                folder=tmp_path,
                database_url=url,
                prefix=prefix,
                group_id=f"{prefix}group",
            )
        )
