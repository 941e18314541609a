"""Missing topics are created with the required settings; differences of existing ones are reported."""

from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from support.deployment import Deployment
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.topics import make_topics
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import KafkaSettings
from unenroll.wire.topics import Topic

_BYTES = 20_000_000


async def test_only_the_topic_of_definitions_is_compacted(servers: ServerAddresses, prefix: str) -> None:
    cluster = KafkaAdmin(KafkaSettings.model_construct(kafka_bootstrap_servers=servers.kafka))
    made = await make_topics(cluster, prefix, partitions=2, replication=1)
    assert [(report.made, report.differs) for report in made] == [(True, ())] * len(Topic)
    found = await cluster.configuration(prefix + word for word in Topic)
    compacted = [name for name, configuration in found.items() if configuration["cleanup.policy"] == "compact"]
    assert compacted == [f"{prefix}definitions"]


async def test_a_small_batch_of_many_bytes_is_refused_by_the_broker(servers: ServerAddresses, prefix: str) -> None:
    await make_topics(
        KafkaAdmin(KafkaSettings.model_construct(kafka_bootstrap_servers=servers.kafka)),
        prefix,
        partitions=1,
        replication=1,
    )
    producer = AIOKafkaProducer(bootstrap_servers=servers.kafka, compression_type="zstd", max_batch_size=_BYTES * 2)
    await producer.start()
    for word in (Topic.REQUESTS, Topic.FACTS, Topic.DEFINITIONS):
        batch = producer.create_batch()
        batch.append(key=b"1", value=b" " * _BYTES, timestamp=None)
        with pytest.raises(MessageSizeTooLargeError):
            await (await producer.send_batch(batch, prefix + word, partition=0))
    await producer.stop()


async def test_differences_are_reported_and_not_changed(servers: ServerAddresses, prefix: str) -> None:
    cluster = KafkaAdmin(KafkaSettings.model_construct(kafka_bootstrap_servers=servers.kafka))
    await make_topics(cluster, prefix, partitions=2, replication=1)
    deployment = Deployment(kafka=servers.kafka, database_url="", prefix=prefix, folder=Path())
    deployment.configure("definitions", "cleanup.policy", "delete")
    for _ in range(2):
        found = await make_topics(cluster, prefix, partitions=4, replication=1)
        differ = {report.name: report.differs for report in found}
        assert not any(report.made for report in found)
        assert differ.pop(f"{prefix}definitions") == (
            "has 2 partitions, not 4",
            "cleanup.policy is delete, not compact",
        )
        assert {*differ.values()} == {("has 2 partitions, not 4",)}
