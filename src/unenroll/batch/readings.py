"""A batch: records as they were read, and where the lane stands behind them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from unenroll.store.lanes import Position
from unenroll.wire.decode import Received, decode
from unenroll.wire.record import Record
from unenroll.wire.refusals import DeadLetter, Reason


@dataclass(frozen=True, slots=True)
class Reading:
    """A record and what it says, or why it cannot be read."""

    record: Record
    content: Received | DeadLetter


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Readings in the order they are to be decided, and the lane's positions behind the last of them."""

    readings: tuple[Reading, ...]
    ends: tuple[Position, ...]

    def halves(self, starts: tuple[Position, ...]) -> tuple["Batch", "Batch"]:
        """The batch, which begins at `starts`, as two smaller ones to be decided one after the other."""
        middle = len(self.readings) // 2
        first, second = self.readings[:middle], self.readings[middle:]
        behind = {reading.record.topic: reading.record.offset + 1 for reading in first}
        between = tuple(replace(start, offset=behind.get(start.topic, start.offset)) for start in starts)
        return Batch(readings=first, ends=between), Batch(readings=second, ends=self.ends)

    def blamed(self, why: str) -> "Batch":
        """The batch with each record a dead letter: the database refuses what it says."""
        dead = DeadLetter(reason=Reason.REFUSED_BY_DATABASE, detail=why)
        return replace(self, readings=tuple(Reading(reading.record, dead) for reading in self.readings))


def read(records: Iterable[Record], accepts: Mapping[str, frozenset[str]]) -> tuple[Reading, ...]:
    """What the records say. `accepts` has the event types that belong on each topic."""
    return tuple(Reading(record, decode(record, accepts[record.topic])) for record in records)
