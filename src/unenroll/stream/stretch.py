"""A stretch of a topic, read from offset to offset by no group: for questions, and for what is put back."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import NamedTuple

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, KafkaException, Message, TopicPartition

from unenroll.settings import KafkaSettings
from unenroll.stream.clients import REQUEST_SECONDS, for_confluent
from unenroll.stream.cluster import Partition
from unenroll.stream.outage import translated
from unenroll.stream.unreadable import as_record
from unenroll.wire.record import Record

_NO_GROUP = "unenroll-stretch"  # the client asks for a name; nothing is ever committed under it
_POLL_SECONDS = 0.2
_MOST_AT_ONCE = 500

Stretch = Mapping[Partition, tuple[int, int]]
"""Of each partition the first offset to read, and the one behind the last."""


class Written(NamedTuple):
    """A record, and when it says that it was written."""

    record: Record
    at: datetime | None


async def stretch(settings: KafkaSettings, wanted: Stretch) -> AsyncIterator[list[Written]]:
    """All visible records, some at a time, each partition in its order. Raises OutageError and SetupError."""
    async with _reading(settings, wanted) as reader:
        while reader.left:
            with translated("reading a topic"):
                found = await asyncio.to_thread(reader.read)
            if found:
                yield found


@asynccontextmanager
async def _reading(settings: KafkaSettings, wanted: Stretch) -> AsyncIterator["_Reader"]:
    with translated("reading a topic"):
        reader = _Reader(settings, wanted)
    try:
        yield reader
    finally:
        await asyncio.to_thread(reader.close)


class _Reader:
    """`left` has the partitions that were not read to their ends yet."""

    def __init__(self, settings: KafkaSettings, wanted: Stretch) -> None:
        self._wanted = wanted
        self.left = {place for place, (first, end) in wanted.items() if first < end}
        self._deadline = monotonic() + REQUEST_SECONDS
        self._consumer = Consumer(
            {
                **for_confluent(settings),
                "group.id": _NO_GROUP,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
            }
        )
        self._consumer.assign([TopicPartition(one.topic, one.number, wanted[one][0]) for one in self.left])

    def read(self) -> list[Written]:
        """What comes within a moment, perhaps nothing. Raises TimeoutError where nothing comes for long."""
        messages = self._consumer.consume(_MOST_AT_ONCE, _POLL_SECONDS)
        if messages:
            self._deadline = monotonic() + REQUEST_SECONDS
        elif monotonic() > self._deadline:
            raise TimeoutError
        return [Written(as_record(message), time_of(message)) for message in messages if self._taken(message)]

    def _taken(self, message: Message) -> bool:
        """Whether it is a record of the stretch."""
        place = Partition(topic=message.topic() or "", number=message.partition() or 0)
        offset, (_, end) = message.offset() or 0, self._wanted[place]
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own name
            raise KafkaException(error)
        if offset >= (end if error is not None else end - 1):
            self.left.discard(place)
        return error is None and offset < end

    def close(self) -> None:
        """Stop reading."""
        self._consumer.close()


def time_of(message: Message) -> datetime | None:
    """When the record says that it was written, if it says so."""
    kind, milliseconds = message.timestamp()
    return None if kind == TIMESTAMP_NOT_AVAILABLE else datetime.fromtimestamp(milliseconds / 1000, UTC)
