"""Where records to be replayed come from, whatever that is."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from unenroll.kafka.admin import TopicPartitionNumber
from unenroll.kafka.range_reader import TimestampedRecord, open_range_reader
from unenroll.kafka.topics import INPUTS
from unenroll.ops.files import Line
from unenroll.ops.progress import BadLines
from unenroll.ops.publish import parse_line
from unenroll.ops.replay.selection import InputPartition, Ranges
from unenroll.settings import KafkaSettings
from unenroll.wire.decode import Received, ReceivedGroup, decode, decode_group
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import CARRIES, Message, Record, Topic
from unenroll.worker.batch import DecodedRecord, read


class ReplayEntry(NamedTuple):
    """A record as it would stand on an input topic of ours, what it says, and when it came."""

    reading: DecodedRecord
    at: datetime | None


class ReplayDefinition(NamedTuple):
    """A definition, and the message that tells of it."""

    received: ReceivedGroup
    message: Message


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayChunk:
    """Some records, in the order they are to be sent."""

    entries: list[ReplayEntry] = field(default_factory=list)
    definitions: list[ReplayDefinition] = field(default_factory=list)


class ReplaySource(Protocol):
    """All the records there are."""

    @property
    def unread(self) -> int:
        """How many offsets are left out, because the lanes are yet to read them."""

    def chunks(self, most: int) -> AsyncGenerator[ReplayChunk, None]:
        """The records, at most so many at a time."""

    def go_on(self) -> str:
        """The arguments that read on behind the last chunk, or nothing where all is to be read again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileSource:
    """The lines, of which bad ones are set aside. `limits` has the most bytes that a batch to a topic may have."""

    lines: Iterable[Line]
    prefix: str
    limits: dict[str, int]
    bad: BadLines
    unread: int = 0

    async def chunks(self, most: int) -> AsyncGenerator[ReplayChunk, None]:
        """The records, at most so many at a time."""
        lines = iter(self.lines)
        while held := list(islice(lines, most)):
            chunk = ReplayChunk()
            for line in held:
                self._take(line, chunk)
            yield chunk

    def go_on(self) -> str:
        """Nothing: lines have no offsets."""
        return ""

    def _take(self, line: Line, chunk: ReplayChunk) -> None:
        message = parse_line(line, self.limits)
        told = message if isinstance(message, DeadLetter) else self._told(message)
        if isinstance(told, DeadLetter):
            self.bad.add(line, told)
        elif isinstance(told, ReplayDefinition):
            chunk.definitions.append(told)
        else:
            chunk.entries.append(told)

    def _told(self, message: Message) -> ReplayEntry | ReplayDefinition | DeadLetter:
        record = Record(
            topic=self.prefix + message.topic,
            partition=0,
            offset=0,
            key=message.key,
            value=message.value,
            headers=message.headers,
        )
        topic = Topic(message.topic)
        told = decode_group(record) if topic is Topic.DEFINITIONS else decode(record, CARRIES[topic])
        if isinstance(told, ReceivedGroup):
            return ReplayDefinition(told, message)
        return ReplayEntry(DecodedRecord(record, told), told.time) if isinstance(told, Received) else told


@dataclass(kw_only=True, slots=True)
class TopicSource:
    """The records of some ranges. `prefix` begins the names of the topics that are read, `settings` those of ours.

    `unread` counts the offsets that the ranges leave to the lanes, which are yet to read them.
    """

    settings: KafkaSettings
    prefix: str
    ranges: Ranges
    unread: int
    done: Callable[[int], None]
    _next: dict[InputPartition, int] = field(init=False)

    def __post_init__(self) -> None:
        """Begin at the beginning of each range."""
        self._next = {place: one.first for place, one in self.ranges.items()}

    async def chunks(self, most: int) -> AsyncGenerator[ReplayChunk, None]:
        """The records, at most so many at a time; now and then none. Raises OutageError and SetupError."""
        for topic in INPUTS:
            wanted = {
                TopicPartitionNumber(topic=self.prefix + topic, number=place.partition): (one.first, one.end)
                for place, one in self.ranges.items()
                if place.topic is topic
            }
            async with open_range_reader(self.settings, wanted) as reader:
                while reader.left:
                    found = await reader.read(most)
                    self._move(topic, reader.next)
                    yield ReplayChunk(entries=[self._entry(written, topic) for written in found])

    def go_on(self) -> str:
        """The arguments that read on behind the last chunk."""
        left = (
            f"--offsets {place.topic}/{place.partition}:{self._next[place]}-{one.end - 1}"
            for place, one in self.ranges.items()
            if self._next[place] < one.end
        )
        return " ".join(left)

    def _move(self, topic: Topic, reached: Mapping[TopicPartitionNumber, int]) -> None:
        now = {InputPartition(topic=topic, partition=place.number): offset for place, offset in reached.items()}
        self.done(sum(offset - self._next[place] for place, offset in now.items()))
        self._next |= now

    def _entry(self, written: TimestampedRecord, topic: Topic) -> ReplayEntry:
        name = self.settings.topic_prefix + topic
        (told,) = read([replace(written.record, topic=name)], {name: CARRIES[topic]})
        return ReplayEntry(told, written.at)
