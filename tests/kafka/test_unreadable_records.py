"""A record with unreadable headers is read without them, also after many such records."""

from confluent_kafka import Consumer, TopicPartition
from msgspec.structs import replace

from support.topics import produce_with_invalid_header
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.config import for_confluent
from unenroll.kafka.consumer import as_record, read_without_headers
from unenroll.kafka.topics import make_topics
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import KafkaSettings

_OFTEN = 100  # Python specializes a call after it has run often


async def test_each_such_record_is_marked(servers: ServerAddresses, prefix: str) -> None:
    settings = KafkaSettings.model_construct(kafka_bootstrap_servers=servers.kafka, topic_prefix=prefix)
    await make_topics(KafkaAdmin(settings), prefix, partitions=1, replication=1)
    topic = f"{prefix}facts"
    await produce_with_invalid_header(servers.kafka, topic, [b"odd"] * _OFTEN, odd=b"odd", partition=0)
    record = await read_without_headers(settings, topic=topic, partition=0, offset=0)
    assert (record.value, record.headers, record.unreadable is None) == (b"odd", (), False)
    consumer = Consumer({**for_confluent(settings), "group.id": prefix})
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages = consumer.consume(_OFTEN, 30)
    assert [as_record(message) for message in messages] == [replace(record, offset=offset) for offset in range(_OFTEN)]
    consumer.close()
