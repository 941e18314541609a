"""A stretch of a topic, read from offset to offset by no group: for questions, and for what is put back or replayed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import NamedTuple

from confluent_kafka import (
    OFFSET_INVALID,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from unenroll.kafka.admin import TopicPartitionNumber
from unenroll.kafka.config import REQUEST_SECONDS, ClientIdentity, for_reading
from unenroll.kafka.consumer import as_record
from unenroll.kafka.errors import kafka_errors
from unenroll.settings import KafkaSettings, WorkerSettings
from unenroll.wire.topics import Record

_NO_GROUP = "unenroll-stretch"
_POLL_SECONDS = 0.2
_SILENT_POLLS = int(REQUEST_SECONDS / _POLL_SECONDS)
_MOST_AT_ONCE = 500

Stretch = Mapping[TopicPartitionNumber, tuple[int, int]]
"""Of each partition the first offset to read, and the one behind the last."""


class TimestampedRecord(NamedTuple):
    """A record, and when it says that it was written."""

    record: Record
    at: datetime | None


async def record_range(settings: KafkaSettings, wanted: Stretch) -> AsyncIterator[list[TimestampedRecord]]:
    """All visible records, some at a time, each partition in its order. Raises OutageError and SetupError."""
    async with open_range_reader(settings, wanted) as reader:
        while reader.left:
            if found := await reader.read(_MOST_AT_ONCE):
                yield found


@asynccontextmanager
async def open_range_reader(settings: KafkaSettings, wanted: Stretch) -> AsyncIterator["RangeReader"]:
    """A reader at the beginning of the stretch. Raises OutageError and SetupError."""
    with kafka_errors("reading a topic"):
        reader = RangeReader(settings, wanted)
    try:
        yield reader
    finally:
        await asyncio.to_thread(reader.close)


class RangeReader:
    """`next` has the offset at which each partition goes on, `left` the partitions that are not read to their ends."""

    def __init__(self, settings: KafkaSettings, wanted: Stretch) -> None:
        self._ends = {place: end for place, (_, end) in wanted.items()}
        self.next = {place: first for place, (first, _) in wanted.items()}
        self.left = {place for place, (first, end) in wanted.items() if first < end}
        self._patience = _SILENT_POLLS
        self._identity = ClientIdentity(settings)
        self._consumer = Consumer(for_reading(settings, _NO_GROUP))
        self._consumer.assign([_at(place, self.next[place]) for place in self.left])

    async def read(self, most: int) -> list[TimestampedRecord]:
        """What comes within a moment, perhaps nothing. Raises OutageError where nothing comes for long."""
        with kafka_errors("reading a topic"):
            return await asyncio.to_thread(self._read, most)

    def _read(self, most: int) -> list[TimestampedRecord]:
        self._identity.renew(self._consumer)
        messages = self._consumer.consume(most, _POLL_SECONDS)
        self._patience = _SILENT_POLLS if messages else self._patience - 1
        if not self._patience:
            raise TimeoutError
        found = [
            TimestampedRecord(as_record(message), time_of(message)) for message in messages if self._taken(message)
        ]
        over = {place for place in self.left if self.next[place] >= self._ends[place]}
        self._consumer.pause([_at(place, OFFSET_INVALID) for place in over])
        self.left -= over
        return found

    def _taken(self, message: Message) -> bool:
        """Whether it is a record of the stretch."""
        place = TopicPartitionNumber(topic=message.topic() or "", number=message.partition() or 0)
        offset, end, error = message.offset() or 0, self._ends[place], message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own name
            raise KafkaException(error)
        within = error is None and offset < end
        reached = offset + 1 if within else min(offset, end)
        self.next[place] = max(self.next[place], reached)
        return within

    def close(self) -> None:
        """Stop reading."""
        self._consumer.close()


def _at(place: TopicPartitionNumber, offset: int) -> TopicPartition:
    return TopicPartition(place.topic, place.number, offset)


def time_of(message: Message) -> datetime | None:
    """When the record says that it was written, if it says so."""
    kind, milliseconds = message.timestamp()
    return None if kind == TIMESTAMP_NOT_AVAILABLE else datetime.fromtimestamp(milliseconds / 1000, UTC)


_OF_EACH = {
    # One record of each partition is wanted, not what is behind it.
    "queued.min.messages": 1,
    "max.partition.fetch.bytes": 65_536,
    "fetch.queue.backoff.ms": 10,  # the client would rest for a second after each partition: it has records to read
}


async def oldest_records(
    settings: WorkerSettings, starts: Mapping[TopicPartitionNumber, int]
) -> dict[TopicPartitionNumber, datetime]:
    """The time of the first visible record from each offset on, where there is one. Raises OutageError, SetupError.

    It takes no longer than Kafka may take for an answer. Nothing is committed and no group is joined.
    """
    if not starts:
        return {}
    with kafka_errors("reading the oldest unprocessed records"):
        return await asyncio.to_thread(_read, settings, starts)


def _read(settings: WorkerSettings, starts: Mapping[TopicPartitionNumber, int]) -> dict[TopicPartitionNumber, datetime]:
    reading = for_reading(settings, settings.group_id)  # for which its rights are there
    consumer = Consumer({**reading, **_OF_EACH})
    try:
        consumer.assign([TopicPartition(place.topic, place.number, offset) for place, offset in starts.items()])
        return _first_of_each(consumer, set(starts))
    finally:
        consumer.close()


def _first_of_each(consumer: Consumer, wanted: set[TopicPartitionNumber]) -> dict[TopicPartitionNumber, datetime]:
    found: dict[TopicPartitionNumber, datetime] = {}
    deadline = monotonic() + REQUEST_SECONDS
    while wanted:
        if monotonic() > deadline:
            raise TimeoutError
        message = consumer.poll(_POLL_SECONDS)
        if message is None:
            continue
        place = TopicPartitionNumber(topic=message.topic() or "", number=message.partition() or 0)
        if place not in wanted:
            continue
        time = _time(message)
        if time is not None:
            found[place] = time
        wanted.discard(place)
        consumer.incremental_unassign([TopicPartition(place.topic, place.number)])
    return found


def _time(message: Message) -> datetime | None:
    """When the record says it was written; None at the end of the partition, and for a record without a time."""
    error = message.error()
    if error is not None:
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own name
            return None
        raise KafkaException(error)
    return time_of(message)
