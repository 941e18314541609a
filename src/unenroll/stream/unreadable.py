"""A record that aiokafka cannot read, and that would hold up its partition for ever: a header's name is not UTF-8.

It is read once more with confluent-kafka, which makes out all of it but the headers.
"""

import asyncio
from operator import methodcaller

from confluent_kafka import Consumer, Message
from confluent_kafka import TopicPartition as LibrdkafkaPartition

from unenroll.errors import OutageError, Server
from unenroll.settings import KafkaSettings
from unenroll.stream.clients import REQUEST_SECONDS, for_reading
from unenroll.stream.outage import kafka_errors
from unenroll.wire.record import Headers, Record

# With names that are not UTF-8 the client returns and raises at once, which a call in Python may not notice, as long as
# somebody else does not trip over it. This way to call always looks.
_headers_of = methodcaller("headers")

_NO_GROUP = "unenroll-unreadable"


async def read_without_headers(settings: KafkaSettings, *, topic: str, partition: int, offset: int) -> Record:
    """The first record at or behind the offset, marked as unreadable. Raises OutageError and SetupError."""
    with kafka_errors("reading a record again"):
        return await asyncio.to_thread(_read, settings, LibrdkafkaPartition(topic, partition, offset))


def _read(settings: KafkaSettings, place: LibrdkafkaPartition) -> Record:
    consumer = Consumer(for_reading(settings, _NO_GROUP))
    try:
        consumer.assign([place])
        message = consumer.poll(REQUEST_SECONDS)
        if message is None or message.error() is not None:
            raise OutageError(
                f"Kafka does not answer: reading {place.topic}, offset {place.offset} again", server=Server.KAFKA
            )
        return as_record(message)
    finally:
        consumer.close()


def as_record(message: Message) -> Record:
    """The record that confluent-kafka has read, marked as unreadable if its headers are."""
    headers: Headers = ()
    unreadable = None
    try:
        headers = tuple(_headers_of(message) or [])
    except (UnicodeDecodeError, SystemError):  # the client's way to tell differs from place to place
        unreadable = "a name is not UTF-8; all of them are left out"
    return Record(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=message.key(),
        value=message.value(),
        headers=headers,
        unreadable=unreadable,
    )
