"""Where a record lies, as people write it: `dead-letters-2@17`."""

import re
from typing import NamedTuple

from unenroll.errors import UsageError
from unenroll.legible import legible
from unenroll.wire.letters import Letter
from unenroll.wire.names import Topic

_WORDS = frozenset(word.value for word in Topic)
_PLACE = re.compile(r"(?P<topic>[a-zA-Z0-9._-]+)-(?P<partition>\d{1,9})@(?P<offset>\d{1,18})", re.ASCII)


class Place(NamedTuple):
    """A topic's full name, a partition and an offset."""

    topic: str
    partition: int
    offset: int


def place_of(text: str, *, prefix: str) -> Place:
    """The place that a person named: the topic in full, or as the word behind the prefix. Raises UsageError."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise UsageError(f"{legible(text)} names no letter: write TOPIC-PARTITION@OFFSET, like dead-letters-2@17")
    topic = found["topic"]
    return Place(prefix + topic if topic in _WORDS else topic, int(found["partition"]), int(found["offset"]))


def place_text(place: Place, *, prefix: str) -> str:
    """The place as people write it."""
    return f"{place.topic.removeprefix(prefix)}-{place.partition}@{place.offset}"


def own_place(letter: Letter, *, prefix: str) -> Place:
    """Where the letter itself lies."""
    return Place(prefix + Topic.DEAD_LETTERS, letter.partition, letter.offset)


def origin(letter: Letter) -> Place:
    """Where the letter's record was read."""
    return Place(letter.record.topic, letter.record.partition, letter.record.offset)
