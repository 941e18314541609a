"""The dead letters that lie on their topic now."""

import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from unenroll.errors import UnenrollError, UsageError
from unenroll.kafka.admin import KafkaAdmin, partitions_of
from unenroll.kafka.range_reader import Stretch, TimestampedRecord, record_range
from unenroll.kafka.topics import existing_topics
from unenroll.settings import KafkaSettings
from unenroll.text import escape_control
from unenroll.wire.data_subjects import customers_of
from unenroll.wire.dead_letters import Letter, read_letter
from unenroll.wire.topics import Topic
from unenroll.wire.topics import Topic as Word

_WORDS = frozenset(word.value for word in Topic)
_PLACE = re.compile(r"(?P<topic>[a-zA-Z0-9._-]+)-(?P<partition>\d{1,9})@(?P<offset>\d{1,18})", re.ASCII)


class RecordPosition(NamedTuple):
    """A topic's full name, a partition and an offset."""

    topic: str
    partition: int
    offset: int


def position_of(text: str, *, prefix: str) -> RecordPosition:
    """The place that a person named: the topic in full, or as the word behind the prefix. Raises UsageError."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise UsageError(
            f"{escape_control(text)} names no letter: write TOPIC-PARTITION@OFFSET, like dead-letters-2@17"
        )
    topic = found["topic"]
    return RecordPosition(prefix + topic if topic in _WORDS else topic, int(found["partition"]), int(found["offset"]))


def position_text(place: RecordPosition, *, prefix: str) -> str:
    """The place as people write it."""
    return f"{place.topic.removeprefix(prefix)}-{place.partition}@{place.offset}"


def own_position(letter: Letter, *, prefix: str) -> RecordPosition:
    """Where the letter itself lies."""
    return RecordPosition(prefix + Topic.DEAD_LETTERS, letter.partition, letter.offset)


def origin(letter: Letter) -> RecordPosition:
    """Where the letter's record was read."""
    return RecordPosition(letter.record.topic, letter.record.partition, letter.record.offset)


class FoundLetter(NamedTuple):
    """A letter, and when it was put aside, if its record says so."""

    letter: Letter
    at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LetterFilter:
    """All conditions that a letter has to meet; an empty one is met by all.

    `topics` are full names, of the records' topics. `until` is behind the last moment.
    """

    prefix: str
    places: frozenset[RecordPosition] = frozenset()
    reasons: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    customer_id: int | None = None

    @property
    def everything(self) -> bool:
        """Whether there is no condition at all."""
        return self == LetterFilter(prefix=self.prefix)

    def takes(self, found: FoundLetter) -> bool:
        """Whether the letter is meant."""
        letter = found.letter
        return (
            (not self.places or bool(self.named(letter)))
            and (not self.reasons or letter.reason in self.reasons)
            and (not self.topics or letter.record.topic in self.topics)
            and self._in_time(found.at)
            and (self.customer_id is None or self.customer_id in customers_of(letter.record))
        )

    def named(self, letter: Letter) -> frozenset[RecordPosition]:
        """By which places the letter is named: its own, its record's."""
        return self.places & {own_position(letter, prefix=self.prefix), origin(letter)}

    def _in_time(self, at: datetime | None) -> bool:
        if self.since is None and self.until is None:
            return True
        return at is not None and (self.since is None or self.since <= at) and (self.until is None or at < self.until)


Letters = AsyncIterator[list[FoundLetter]]


@dataclass(frozen=True, kw_only=True, slots=True)
class LetterReader:
    """Where the letters are read. What is put aside from now on is not among them."""

    settings: KafkaSettings
    stretch: Stretch

    async def letters(self, wanted: LetterFilter) -> Letters:
        """The letters that are meant, some at a time. Raises OutageError and SetupError."""
        async for written in record_range(self.settings, _narrowed(self.stretch, wanted)):
            found = [one for one in _letters(written) if wanted.takes(one)]
            if found:
                yield found


async def open_letter_reader(settings: KafkaSettings, cluster: KafkaAdmin) -> LetterReader:
    """The topic from its beginning to its end as of now. Raises OutageError and SetupError."""
    name = settings.topic_prefix + Word.DEAD_LETTERS
    places = partitions_of((await existing_topics(cluster, [name])).values())
    first, end = await cluster.beginnings(places), await cluster.ends(places)
    return LetterReader(settings=settings, stretch={place: (first[place], end[place]) for place in places})


async def matching_letters(letters: LetterReader, wanted: LetterFilter) -> Letters:
    """The letters that are meant, some at a time. Raises UnenrollError first if one that is named is not there."""
    if not wanted.places:
        return letters.letters(wanted)
    found = [one async for some in letters.letters(wanted) for one in some]
    there = {place for one in found for place in wanted.named(one.letter)}
    missing = sorted(wanted.places - there)
    if missing:
        names = ", ".join(position_text(place, prefix=wanted.prefix) for place in missing)
        raise UnenrollError(f"there is no dead letter {names} that is meant: see `unenroll dlq list`")
    return _at_once(found)


async def _at_once(found: list[FoundLetter]) -> Letters:
    yield found


def _letters(written: Iterable[TimestampedRecord]) -> Iterable[FoundLetter]:
    for record, at in written:
        letter = read_letter(record)
        if letter is not None:
            yield FoundLetter(letter, at)


def _narrowed(whole: Stretch, wanted: LetterFilter) -> Stretch:
    """What has to be read: little, where the letters are named by their own places."""
    own = wanted.prefix + Word.DEAD_LETTERS
    if not wanted.places or any(place.topic != own for place in wanted.places):
        return whole
    return {place: _between(wanted.places, place.number, whole=stretch) for place, stretch in whole.items()}


def _between(places: Iterable[RecordPosition], partition: int, *, whole: tuple[int, int]) -> tuple[int, int]:
    first, end = whole
    offsets = [place.offset for place in places if place.partition == partition]
    return (max(first, min(offsets)), min(end, max(offsets) + 1)) if offsets else (end, end)
