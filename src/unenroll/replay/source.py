"""Where records to be replayed come from, whatever that is."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from unenroll.batch.readings import Reading
from unenroll.wire.decode import ReceivedGroup
from unenroll.wire.record import Message


class Entry(NamedTuple):
    """A record as it would stand on an input topic of ours, what it says, and when it came."""

    reading: Reading
    at: datetime | None


class Definition(NamedTuple):
    """A definition, and the message that tells of it."""

    received: ReceivedGroup
    message: Message


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """Some records, in the order they are to be sent."""

    entries: list[Entry] = field(default_factory=list)
    definitions: list[Definition] = field(default_factory=list)


class Source(Protocol):
    """All the records there are."""

    @property
    def unread(self) -> int:
        """How many offsets are left out, because the lanes are yet to read them."""

    def chunks(self, most: int) -> AsyncGenerator[Chunk, None]:
        """The records, at most so many at a time."""

    def go_on(self) -> str:
        """The arguments that read on behind the last chunk, or nothing where all is to be read again."""
