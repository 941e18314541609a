"""Records from input topics, ours or a copy of them: facts first, then requests, so that leaves find their facts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from confluent_kafka import (
    OFFSET_INVALID,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from msgspec.structs import replace

from unenroll.batch.readings import read
from unenroll.errors import OutageError
from unenroll.replay.ranges import Ranges
from unenroll.replay.selection import Place
from unenroll.replay.source import Chunk, Entry
from unenroll.settings import KafkaSettings
from unenroll.stream.clients import for_confluent
from unenroll.stream.outage import translated
from unenroll.stream.topics import INPUTS
from unenroll.stream.unreadable import as_record
from unenroll.wire.names import CARRIES, Topic

_NO_GROUP = "unenroll-replay"  # the client asks for a name; nothing is ever committed under it
_POLL_SECONDS = 0.5
_SILENT_POLLS = 60


@dataclass(kw_only=True, slots=True)
class FromTopics:
    """The records of some ranges. `prefix` begins the names of the topics that are read, `settings` those of ours.

    `unread` counts the offsets that the ranges leave to the lanes, which are yet to read them.
    """

    settings: KafkaSettings
    prefix: str
    ranges: Ranges
    unread: int
    done: Callable[[int], None]
    _consumer: Consumer = field(init=False)
    _next: dict[Place, int] = field(init=False)

    async def __aenter__(self) -> Self:
        """Begin at the beginning of each range."""
        self._next = {place: one.first for place, one in self.ranges.items()}
        with translated("setting up the client"):
            self._consumer = Consumer(
                {
                    **for_confluent(self.settings),
                    "group.id": _NO_GROUP,
                    "enable.auto.commit": False,
                    "isolation.level": "read_committed",
                    "auto.offset.reset": "error",
                    "enable.partition.eof": True,
                }
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop reading."""
        await asyncio.to_thread(self._consumer.close)

    async def chunks(self, most: int) -> AsyncIterator[Chunk]:
        """The records, at most so many at a time."""
        for topic in INPUTS:
            left = {place for place, one in self.ranges.items() if place.topic is topic}
            self._consumer.assign([self._at(place, self._next[place]) for place in left])
            patience = _SILENT_POLLS
            while left and patience:
                with translated("reading what is to be replayed"):
                    messages = await asyncio.to_thread(self._consumer.consume, most, _POLL_SECONDS)
                    entries = [entry for message in messages for entry in self._taken(message, topic)]
                patience = _SILENT_POLLS if messages else patience - 1
                over = {place for place in left if self._next[place] >= self.ranges[place].end}
                self._consumer.pause([self._at(place, OFFSET_INVALID) for place in over])
                left -= over
                yield Chunk(entries=entries)
            if left:
                raise OutageError("Kafka does not answer: reading what is to be replayed")

    def go_on(self) -> str:
        """The arguments that read on behind the last chunk."""
        left = (
            f"--offsets {place.topic}/{place.partition}:{self._next[place]}-{one.end - 1}"
            for place, one in self.ranges.items()
            if self._next[place] < one.end
        )
        return " ".join(left)

    def _taken(self, message: Message, topic: Topic) -> Iterator[Entry]:
        """The record, if it is one within its range."""
        place = Place(topic=topic, partition=message.partition() or 0)
        end, offset = self.ranges[place].end, message.offset() or 0
        error = message.error()
        if error is None and offset < end:
            self._move(place, offset + 1)
            yield self._entry(message, topic)
        elif error is None or error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own name
            self._move(place, min(offset, end))
        else:
            raise KafkaException(error)

    def _move(self, place: Place, offset: int) -> None:
        self.done(max(0, offset - self._next[place]))
        self._next[place] = max(offset, self._next[place])

    def _entry(self, message: Message, topic: Topic) -> Entry:
        name = self.settings.topic_prefix + topic
        record = replace(as_record(message), topic=name)
        kind, milliseconds = message.timestamp()
        at = None if kind == TIMESTAMP_NOT_AVAILABLE else datetime.fromtimestamp(milliseconds / 1000, UTC)
        (reading,) = read([record], {name: CARRIES[topic]})
        return Entry(reading, at)

    def _at(self, place: Place, offset: int) -> TopicPartition:
        return TopicPartition(self.prefix + place.topic, place.partition, offset)
