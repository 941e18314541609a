"""Read the records to replay, from files or from Kafka topics."""

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
from unenroll.ops.replay.selection import InputPartition, PartitionRanges
from unenroll.settings import KafkaSettings
from unenroll.wire.decode import ReceivedEvent, ReceivedGroup, decode, decode_group
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import CARRIES, Message, Record, Topic
from unenroll.worker.batch import DecodedRecord, decode_records


class ReplayEntry(NamedTuple):
    """A decoded record, and its time: the Kafka timestamp, or the event's `time` if it comes from a file.

    The record has the name of our input topic, also if it comes from a file or from a copy of the topic.
    """

    decoded: DecodedRecord
    at: datetime | None


class ReplayDefinition(NamedTuple):
    """A definition, and its message."""

    received: ReceivedGroup
    message: Message


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayChunk:
    """Records and definitions, in the order in which to send them. Definitions go first."""

    entries: list[ReplayEntry] = field(default_factory=list)
    definitions: list[ReplayDefinition] = field(default_factory=list)


class ReplaySource(Protocol):
    """Where the records come from."""

    @property
    def unread(self) -> int:
        """How many offsets the source leaves out because the lanes have not read them yet."""

    def chunks(self, size: int) -> AsyncGenerator[ReplayChunk, None]:
        """Yield the records in chunks of at most `size`; some may be empty."""

    def resume_arguments(self) -> str:
        """Return the arguments that continue after the last chunk; empty if the replay starts again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileSource:
    """Reads lines of NDJSON and reports bad ones to `bad`. `limits` has the largest batch in bytes of each topic."""

    lines: Iterable[Line]
    prefix: str
    limits: dict[str, int]
    bad: BadLines
    unread: int = 0

    async def chunks(self, size: int) -> AsyncGenerator[ReplayChunk, None]:
        """Yield the records in chunks of at most `size` lines."""
        lines = iter(self.lines)
        while some := list(islice(lines, size)):
            chunk = ReplayChunk()
            for line in some:
                self._add(line, chunk)
            yield chunk

    def resume_arguments(self) -> str:
        """Return nothing: lines have no offsets."""
        return ""

    def _add(self, line: Line, chunk: ReplayChunk) -> None:
        message = parse_line(line, self.limits)
        content = message if isinstance(message, DeadLetter) else self._decoded(message)
        if isinstance(content, DeadLetter):
            self.bad.add(line, content)
        elif isinstance(content, ReplayDefinition):
            chunk.definitions.append(content)
        else:
            chunk.entries.append(content)

    def _decoded(self, message: Message) -> ReplayEntry | ReplayDefinition | DeadLetter:
        record = Record(
            topic=self.prefix + message.topic,
            partition=0,
            offset=0,
            key=message.key,
            value=message.value,
            headers=message.headers,
        )
        topic = Topic(message.topic)
        content = decode_group(record) if topic is Topic.DEFINITIONS else decode(record, CARRIES[topic])
        if isinstance(content, ReceivedGroup):
            return ReplayDefinition(content, message)
        return (
            ReplayEntry(DecodedRecord(record, content), content.time) if isinstance(content, ReceivedEvent) else content
        )


@dataclass(kw_only=True, slots=True)
class TopicSource:
    """Reads ranges of the topics under `prefix`. `settings` has the prefix of our own topics.

    `unread` counts the offsets that the ranges leave out because the lanes have not read them yet. `advance` is called
    with the number of offsets that were read.
    """

    settings: KafkaSettings
    prefix: str
    ranges: PartitionRanges
    unread: int
    advance: Callable[[int], None]
    _next: dict[InputPartition, int] = field(init=False)

    def __post_init__(self) -> None:
        """Start at the beginning of each range."""
        self._next = {partition: one.first for partition, one in self.ranges.items()}

    async def chunks(self, size: int) -> AsyncGenerator[ReplayChunk, None]:
        """Yield the records in chunks of at most `size`, some of them empty. Raises OutageError and SetupError."""
        for topic in INPUTS:
            stretch = {
                TopicPartitionNumber(topic=self.prefix + topic, number=partition.partition): (one.first, one.end)
                for partition, one in self.ranges.items()
                if partition.topic is topic
            }
            async with open_range_reader(self.settings, stretch) as reader:
                while reader.unfinished:
                    records = await reader.read(size)
                    self._advance_to(topic, reader.next_offsets)
                    yield ReplayChunk(entries=[self._entry(record, topic) for record in records])

    def resume_arguments(self) -> str:
        """Return the --offsets that continue after the last chunk."""
        rest = (
            f"--offsets {partition.topic}/{partition.partition}:{self._next[partition]}-{one.end - 1}"
            for partition, one in self.ranges.items()
            if self._next[partition] < one.end
        )
        return " ".join(rest)

    def _advance_to(self, topic: Topic, offsets: Mapping[TopicPartitionNumber, int]) -> None:
        reached = {InputPartition(topic=topic, partition=one.number): offset for one, offset in offsets.items()}
        self.advance(sum(offset - self._next[partition] for partition, offset in reached.items()))
        self._next |= reached

    def _entry(self, timestamped: TimestampedRecord, topic: Topic) -> ReplayEntry:
        name = self.settings.topic_prefix + topic
        (decoded,) = decode_records([replace(timestamped.record, topic=name)], {name: CARRIES[topic]})
        return ReplayEntry(decoded, timestamped.at)
