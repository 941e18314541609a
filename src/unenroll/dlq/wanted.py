"""Which dead letters are meant. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from unenroll.dlq.places import Place, origin, own_place
from unenroll.wire.concerned import customers_of
from unenroll.wire.letters import Letter


class Found(NamedTuple):
    """A letter, and when it was put aside, if its record says so."""

    letter: Letter
    at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """All conditions that a letter has to meet; an empty one is met by all.

    `topics` are full names, of the records' topics. `until` is behind the last moment.
    """

    prefix: str
    places: frozenset[Place] = frozenset()
    reasons: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    customer_id: int | None = None

    @property
    def everything(self) -> bool:
        """Whether there is no condition at all."""
        return self == Wanted(prefix=self.prefix)

    def takes(self, found: Found) -> bool:
        """Whether the letter is meant."""
        letter = found.letter
        return (
            (not self.places or bool(self.named(letter)))
            and (not self.reasons or letter.reason in self.reasons)
            and (not self.topics or letter.record.topic in self.topics)
            and self._in_time(found.at)
            and (self.customer_id is None or self.customer_id in customers_of(letter.record))
        )

    def named(self, letter: Letter) -> frozenset[Place]:
        """By which places the letter is named: its own, its record's."""
        return self.places & {own_place(letter, prefix=self.prefix), origin(letter)}

    def _in_time(self, at: datetime | None) -> bool:
        if self.since is None and self.until is None:
            return True
        return at is not None and (self.since is None or self.since <= at) and (self.until is None or at < self.until)
