"""Read the dead letters on their topic, all of them or those that a filter selects."""

import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from unenroll.errors import UnenrollError, UsageError
from unenroll.kafka.admin import KafkaAdmin, partitions_of
from unenroll.kafka.range_reader import OffsetRanges, TimestampedRecord, record_range
from unenroll.kafka.topics import existing_topics
from unenroll.settings import KafkaSettings
from unenroll.text import escape_control
from unenroll.wire.data_subjects import customers_of
from unenroll.wire.dead_letters import Letter, read_letter
from unenroll.wire.topics import Topic

_TOPICS = frozenset(topic.value for topic in Topic)
_POSITION = re.compile(r"(?P<topic>[a-zA-Z0-9._-]+)-(?P<partition>\d{1,9})@(?P<offset>\d{1,18})", re.ASCII)


class RecordPosition(NamedTuple):
    """A topic's full name, a partition and an offset."""

    topic: str
    partition: int
    offset: int


def parse_position(text: str, *, prefix: str) -> RecordPosition:
    """Return the position that TOPIC-PARTITION@OFFSET names. The topic may lack the prefix. Raises UsageError."""
    match = _POSITION.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{escape_control(text)} is not the position of a letter: "
            "write TOPIC-PARTITION@OFFSET, like dead-letters-2@17"
        )
    topic = match["topic"]
    full_name = prefix + topic if topic in _TOPICS else topic
    return RecordPosition(full_name, int(match["partition"]), int(match["offset"]))


def format_position(position: RecordPosition, *, prefix: str) -> str:
    """Return the position as TOPIC-PARTITION@OFFSET, without the prefix."""
    return f"{position.topic.removeprefix(prefix)}-{position.partition}@{position.offset}"


def letter_position(letter: Letter, *, prefix: str) -> RecordPosition:
    """Return the letter's own position on topic `dead-letters`."""
    return RecordPosition(prefix + Topic.DEAD_LETTERS, letter.partition, letter.offset)


def source_position(letter: Letter) -> RecordPosition:
    """Return the position that the worker read the letter's record from."""
    return RecordPosition(letter.record.topic, letter.record.partition, letter.record.offset)


class FoundLetter(NamedTuple):
    """A letter, and when the worker dead-lettered its record; None if Kafka has no timestamp."""

    letter: Letter
    at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LetterFilter:
    """Conditions on letters. A letter has to meet all of them; an empty condition is always met.

    A position selects a letter by its own position or by its record's. `topics` are full names of the records' topics.
    `since` is included and `until` is not.
    """

    prefix: str
    positions: frozenset[RecordPosition] = frozenset()
    reasons: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    customer_id: int | None = None

    @property
    def selects_all(self) -> bool:
        """Whether the filter has no condition."""
        return self == LetterFilter(prefix=self.prefix)

    def matches(self, found: FoundLetter) -> bool:
        """Whether the letter meets all conditions."""
        letter = found.letter
        return (
            (not self.positions or bool(self.positions_of(letter)))
            and (not self.reasons or letter.reason in self.reasons)
            and (not self.topics or letter.record.topic in self.topics)
            and self._matches_time(found.at)
            and (self.customer_id is None or self.customer_id in customers_of(letter.record))
        )

    def positions_of(self, letter: Letter) -> frozenset[RecordPosition]:
        """Return those of the filter's positions that select the letter."""
        return self.positions & {letter_position(letter, prefix=self.prefix), source_position(letter)}

    def _matches_time(self, at: datetime | None) -> bool:
        if self.since is None and self.until is None:
            return True
        return at is not None and (self.since is None or self.since <= at) and (self.until is None or at < self.until)


LetterChunks = AsyncIterator[list[FoundLetter]]


@dataclass(frozen=True, kw_only=True, slots=True)
class LetterReader:
    """Reads the letters that were on the topic when the reader was opened."""

    settings: KafkaSettings
    stretch: OffsetRanges

    async def letters(self, letter_filter: LetterFilter) -> LetterChunks:
        """Yield the letters that match, in chunks. Raises OutageError and SetupError."""
        async for records in record_range(self.settings, _narrowed(self.stretch, letter_filter)):
            chunk = [letter for letter in _letters(records) if letter_filter.matches(letter)]
            if chunk:
                yield chunk


async def open_letter_reader(settings: KafkaSettings, cluster: KafkaAdmin) -> LetterReader:
    """Return a reader from the topic's beginning to its end as of now. Raises OutageError and SetupError."""
    name = settings.topic_prefix + Topic.DEAD_LETTERS
    partitions = partitions_of((await existing_topics(cluster, [name])).values())
    first, end = await cluster.beginnings(partitions), await cluster.ends(partitions)
    stretch = {partition: (first[partition], end[partition]) for partition in partitions}
    return LetterReader(settings=settings, stretch=stretch)


async def matching_letters(reader: LetterReader, letter_filter: LetterFilter) -> LetterChunks:
    """Return the letters that match, in chunks.

    Raises UnenrollError, before it returns any, if one of the filter's positions selects no letter.
    """
    if not letter_filter.positions:
        return reader.letters(letter_filter)
    letters = [letter async for chunk in reader.letters(letter_filter) for letter in chunk]
    found = {position for one in letters for position in letter_filter.positions_of(one.letter)}
    missing = sorted(letter_filter.positions - found)
    if missing:
        names = ", ".join(format_position(position, prefix=letter_filter.prefix) for position in missing)
        raise UnenrollError(f"no dead letter matches {names}: `unenroll dlq list` shows what is there")
    return _one_chunk(letters)


async def _one_chunk(letters: list[FoundLetter]) -> LetterChunks:
    yield letters


def _letters(records: Iterable[TimestampedRecord]) -> Iterable[FoundLetter]:
    for record, at in records:
        letter = read_letter(record)
        if letter is not None:
            yield FoundLetter(letter, at)


def _narrowed(whole: OffsetRanges, letter_filter: LetterFilter) -> OffsetRanges:
    """Return the offsets to read: a small part of the topic if the filter names letters by their own positions."""
    topic = letter_filter.prefix + Topic.DEAD_LETTERS
    positions = letter_filter.positions
    if not positions or any(position.topic != topic for position in positions):
        return whole
    return {partition: _between(positions, partition.number, whole=offsets) for partition, offsets in whole.items()}


def _between(positions: Iterable[RecordPosition], partition: int, *, whole: tuple[int, int]) -> tuple[int, int]:
    first, end = whole
    offsets = [position.offset for position in positions if position.partition == partition]
    return (max(first, min(offsets)), min(end, max(offsets) + 1)) if offsets else (end, end)
