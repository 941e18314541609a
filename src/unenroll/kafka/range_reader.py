"""Reads ranges of offsets outside of any group: for dead letters, replays, and the age of the oldest record."""

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
from unenroll.kafka.config import REQUEST_SECONDS, LibrdkafkaCredentials, for_reading
from unenroll.kafka.consumer import as_record
from unenroll.kafka.errors import kafka_errors
from unenroll.settings import KafkaSettings, WorkerSettings
from unenroll.wire.topics import Record, append_time

_NO_GROUP = "unenroll-range"
_POLL_SECONDS = 0.2
_MAX_EMPTY_POLLS = int(REQUEST_SECONDS / _POLL_SECONDS)
_READ_RECORDS = 500
_FIRST_RECORDS_ONLY = {
    "queued.min.messages": 1,
    "max.partition.fetch.bytes": 65_536,
    "fetch.queue.backoff.ms": 10,  # with a full queue, the client otherwise waits 1 s before the next partition
}

OffsetRanges = Mapping[TopicPartitionNumber, tuple[int, int]]
"""For each partition the first offset to read, and the offset after the last."""


class TimestampedRecord(NamedTuple):
    """A record and its timestamp."""

    record: Record
    at: datetime | None


async def record_range(settings: KafkaSettings, ranges: OffsetRanges) -> AsyncIterator[list[TimestampedRecord]]:
    """Yield all committed records, some at a time, each partition in order. Raises OutageError and SetupError."""
    async with open_range_reader(settings, ranges) as reader:
        while reader.unfinished:
            if found := await reader.read(_READ_RECORDS):
                yield found


@asynccontextmanager
async def open_range_reader(settings: KafkaSettings, ranges: OffsetRanges) -> AsyncIterator["RangeReader"]:
    """Open a reader at the first offsets. Raises OutageError and SetupError."""
    with kafka_errors("reading a topic"):
        reader = RangeReader(settings, ranges)
    try:
        yield reader
    finally:
        await asyncio.to_thread(reader.close)


class RangeReader:
    """Reads the committed records of some ranges.

    `next_offsets` has the next offset of each partition, `unfinished` the partitions that are not at their ends.
    """

    def __init__(self, settings: KafkaSettings, ranges: OffsetRanges) -> None:
        self._ends = {place: end for place, (_, end) in ranges.items()}
        self.next_offsets = {place: first for place, (first, _) in ranges.items()}
        self.unfinished = {place for place, (first, end) in ranges.items() if first < end}
        self._empty_polls = 0
        self._credentials = LibrdkafkaCredentials(settings)
        self._consumer = Consumer(for_reading(settings, _NO_GROUP))
        self._consumer.assign([_at(place, self.next_offsets[place]) for place in self.unfinished])

    async def read(self, limit: int) -> list[TimestampedRecord]:
        """Return the next records, perhaps none. Raises OutageError if there are none for 10 s."""
        with kafka_errors("reading a topic"):
            return await asyncio.to_thread(self._read, limit)

    def _read(self, limit: int) -> list[TimestampedRecord]:
        self._credentials.refresh(self._consumer)
        messages = self._consumer.consume(limit, _POLL_SECONDS)
        self._empty_polls = 0 if messages else self._empty_polls + 1
        if self._empty_polls == _MAX_EMPTY_POLLS:
            raise TimeoutError
        found = [
            TimestampedRecord(as_record(message), time_of(message)) for message in messages if self._advance(message)
        ]
        finished = {place for place in self.unfinished if self.next_offsets[place] >= self._ends[place]}
        self._consumer.pause([_at(place, OFFSET_INVALID) for place in finished])
        self.unfinished -= finished
        return found

    def _advance(self, message: Message) -> bool:
        """Move the next offset past the message. Returns whether it is a record of the range."""
        place = _place(message)
        offset, end, error = message.offset() or 0, self._ends[place], message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - public in librdkafka
            raise KafkaException(error)
        is_in_range = error is None and offset < end
        next_offset = offset + 1 if is_in_range else min(offset, end)
        self.next_offsets[place] = max(self.next_offsets[place], next_offset)
        return is_in_range

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()


def _place(message: Message) -> TopicPartitionNumber:
    return TopicPartitionNumber(topic=message.topic() or "", number=message.partition() or 0)


def _at(place: TopicPartitionNumber, offset: int) -> TopicPartition:
    return TopicPartition(place.topic, place.number, offset)


def time_of(message: Message) -> datetime | None:
    """Return the timestamp of the record, or None if it has none that is a time."""
    kind, milliseconds = message.timestamp()
    seconds = None if kind == TIMESTAMP_NOT_AVAILABLE else append_time(milliseconds)
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


async def oldest_records(
    settings: WorkerSettings, starts: Mapping[TopicPartitionNumber, int]
) -> dict[TopicPartitionNumber, datetime]:
    """Return the timestamp of the first committed record from each offset on, if there is one.

    Takes at most 10 s. Commits nothing and joins no group. Raises OutageError and SetupError.
    """
    if not starts:
        return {}
    with kafka_errors("reading the oldest unprocessed records"):
        return await asyncio.to_thread(_read_oldest, settings, starts)


def _read_oldest(
    settings: WorkerSettings, starts: Mapping[TopicPartitionNumber, int]
) -> dict[TopicPartitionNumber, datetime]:
    # The group id of the worker: its user has the rights for it.
    consumer = Consumer({**for_reading(settings, settings.group_id), **_FIRST_RECORDS_ONLY})
    try:
        consumer.assign([_at(place, offset) for place, offset in starts.items()])
        return _first_timestamps(consumer, set(starts))
    finally:
        consumer.close()


def _first_timestamps(consumer: Consumer, missing: set[TopicPartitionNumber]) -> dict[TopicPartitionNumber, datetime]:
    found: dict[TopicPartitionNumber, datetime] = {}
    deadline = monotonic() + REQUEST_SECONDS
    while missing:
        if monotonic() > deadline:
            raise TimeoutError
        message = consumer.poll(_POLL_SECONDS)
        if message is None:
            continue
        place = _place(message)
        if place not in missing:
            continue
        timestamp = _time_unless_end(message)
        if timestamp is not None:
            found[place] = timestamp
        missing.discard(place)
        consumer.incremental_unassign([TopicPartition(place.topic, place.number)])
    return found


def _time_unless_end(message: Message) -> datetime | None:
    """Return the timestamp of the record; None at the end of the partition, and for a record without one."""
    error = message.error()
    if error is not None:
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - public in librdkafka
            return None
        raise KafkaException(error)
    return time_of(message)
