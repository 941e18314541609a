"""The admin client recovers after a broker is killed and restarted."""

import signal
from pathlib import Path

import pytest

from chaos.killable_servers import killable_kafka
from unenroll.errors import OutageError
from unenroll.kafka.admin import KafkaAdmin, TopicPartitionNumber
from unenroll.kafka.topics import make_topics
from unenroll.sandbox.environment import cache_folder, sandbox_folders
from unenroll.sandbox.kafka import kafka
from unenroll.settings import KafkaSettings
from waiting import until

FACTS = TopicPartitionNumber(topic="t.facts", number=0)


@pytest.mark.thorough
async def test_the_admin_client_lists_offsets_again_after_a_broker_was_killed(tmp_path: Path) -> None:
    with sandbox_folders(tmp_path, cache=cache_folder({}), say=lambda _: None) as where:
        async with kafka(where) as server, killable_kafka(server) as broker:
            cluster = KafkaAdmin(KafkaSettings(kafka_bootstrap_servers=broker.address, topic_prefix="t."))
            await make_topics(cluster, "t.", partitions=1, replication=1)
            assert await cluster.ends([FACTS]) == {FACTS: 0}
            await broker.kill(signal.SIGKILL)
            await broker.start_again()

            async def answers() -> bool:
                try:
                    return await cluster.ends([FACTS]) == {FACTS: 0}
                except OutageError:
                    return False

            await until(answers, seconds=30)
