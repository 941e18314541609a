"""What other tests build upon."""

import asyncpg
from confluent_kafka.admin import AdminClient

from unenroll.sandbox.servers import ServerAddresses


async def test_a_test_has_a_migrated_database_of_its_own_and_a_prefix_that_no_topic_has(
    servers: ServerAddresses, database_url: str, prefix: str
) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("select count(*) from ledger") == 0
        assert await connection.fetchval("select current_database()") in database_url
    finally:
        await connection.close()
    topics = AdminClient({"bootstrap.servers": servers.kafka}).list_topics(timeout=20).topics
    assert not [topic for topic in topics if topic.startswith(prefix)]
