"""Produces to topics and reads them with an independent client: confluent-kafka, read_committed."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, cast
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from pydantic_core import from_json

OUTPUTS = ("unenrollments", "rejections", "rewards", "dead-letters")
_DEADLINE_SECONDS = 60.0

Spot = tuple[str, int, int]
"""A topic's full name, a partition, an offset."""


@dataclass(frozen=True, kw_only=True)
class ConsumedRecord:
    """A record as a consumer sees it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @property
    def data(self) -> Any:  # noqa: ANN401 - JSON
        return from_json(self.value or b"null")

    def header(self, name: str) -> str | None:
        found = dict(self.headers).get(name)
        return None if found is None else found.decode()


@dataclass(frozen=True, kw_only=True)
class NewRecord:
    """A record to publish."""

    value: bytes | None
    key: bytes | None = None
    headers: list[tuple[str, str | bytes | None]] = field(default_factory=list)
    partition: int = -1


def produce(kafka: str, topic: str, records: Iterable[NewRecord]) -> list[Spot]:
    """Publish the records in order, wait until the broker has all, and return where each is."""
    spots: dict[int, Spot] = {}
    failed: list[KafkaError] = []

    def delivered(number: int, error: KafkaError | None, message: Message) -> None:
        if error:
            failed.append(error)
        spots[number] = (topic, message.partition() or 0, message.offset() or 0)

    producer = _producer(kafka)
    for number, record in enumerate(records):
        producer.produce(
            topic,
            value=record.value,
            key=record.key,
            headers=record.headers,
            partition=record.partition,
            on_delivery=partial(delivered, number),
        )
        producer.poll(0)
    assert producer.flush(_DEADLINE_SECONDS) == 0
    assert not failed
    return [spots[number] for number in sorted(spots)]


@cache
def _producer(kafka: str) -> Producer:
    """One producer for all tests and threads: a new one needs half a second before it can publish."""
    return Producer(
        {
            "bootstrap.servers": kafka,
            "log_level": 0,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "message.max.bytes": 10_000_000,
            "queue.buffering.max.messages": 1_000_000,
        }
    )


async def produce_with_invalid_header(
    kafka: str, topic: str, values: Iterable[bytes], *, odd: bytes, partition: int
) -> None:
    """Publish the values in one batch. The one that is `odd` has a header whose name is not UTF-8."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    batch = producer.create_batch()
    batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, 1_000_000)  # noqa: SLF001 - the lenient one
    for value in values:
        name = NotUtf8() if value == odd else "name"
        batch.append(key=b"7", value=value, timestamp=None, headers=[(name, b"1")])
    await (await producer.send_batch(batch, topic, partition=partition))
    await producer.stop()


async def produce_with_timestamp(kafka: str, topic: str, record: NewRecord, *, milliseconds: int) -> None:
    """Publish the record with this timestamp, whatever it is. Java's and librdkafka's producers refuse some."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    batch = producer.create_batch()
    headers = [(name, value.encode() if isinstance(value, str) else value) for name, value in record.headers]
    batch.append(key=record.key, value=record.value, timestamp=milliseconds, headers=headers)
    await (await producer.send_batch(batch, topic, partition=0))
    await producer.stop()


class NotUtf8(str):
    """A header name that is not UTF-8."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        del encoding, errors
        return b"\xff\xfe"


def consume(
    kafka: str, prefix: str, words: Iterable[str] = OUTPUTS, *, isolation: str = "read_committed"
) -> list[ConsumedRecord]:
    """All visible records of the topics, sorted by topic, partition and offset."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "log_level": 0,
            "group.id": f"reader-{uuid4()}",
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 10,  # an empty partition says so at once
        }
    )
    try:
        found = _all(consumer, [prefix + word for word in words])
        return sorted(found, key=lambda record: (record.topic, record.partition, record.offset))
    finally:
        consumer.close()


def by_topic(found: Iterable[ConsumedRecord], prefix: str) -> Mapping[str, list[ConsumedRecord]]:
    """The records by their topic without the prefix."""
    sorted_out: dict[str, list[ConsumedRecord]] = {word: [] for word in OUTPUTS}
    for record in found:
        sorted_out[record.topic.removeprefix(prefix)].append(record)
    return sorted_out


def _all(consumer: Consumer, topics: list[str]) -> Iterator[ConsumedRecord]:
    open_places = {
        (topic, number)
        for topic in topics
        for number in consumer.list_topics(topic, timeout=_DEADLINE_SECONDS).topics[topic].partitions
    }
    consumer.assign([TopicPartition(topic, number, 0) for topic, number in open_places])
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while open_places:
        assert time.monotonic() < deadline, f"could not read {open_places} to the end"
        message = consumer.poll(1.0)
        if message is None:
            continue
        error = message.error()
        if error is None:
            yield _seen(message)
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own name
            place = TopicPartition(message.topic() or "", message.partition() or 0)
            _, high = consumer.get_watermark_offsets(place, cached=True)
            if (message.offset() or 0) >= high:  # else a transaction's markers are still being written
                open_places.discard((place.topic, place.partition))
        else:
            raise AssertionError(error)


def _seen(message: Message) -> ConsumedRecord:
    return ConsumedRecord(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=message.key(),
        value=message.value(),
        headers=tuple(cast(list[tuple[str, bytes | None]], message.headers() or [])),
    )
