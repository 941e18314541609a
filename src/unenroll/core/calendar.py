"""Cycles: which one holds an instant, and which ones fall from it on."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

LAST_MOMENT = timedelta(microseconds=1)


class InvalidCalendarError(ValueError):
    """Cycles that overlap, are empty or share a name."""


def aware(instant: datetime, what: str) -> datetime:
    """`instant` itself. Raises ValueError if it carries no offset: rules.md, "Words"."""
    if instant.tzinfo is None:
        raise ValueError(f"{what} {instant.isoformat()} has no offset")
    return instant


@dataclass(frozen=True, kw_only=True, slots=True)
class Cycle:
    """A period of the group, half-open: `start` belongs to it, `end` does not."""

    number: int
    name: str
    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse naive instants and a cycle without duration."""
        aware(self.start, f"start of {self.name}")
        aware(self.end, f"end of {self.name}")
        if self.start >= self.end:
            raise InvalidCalendarError(f"cycle {self.name} ends at or before its start")

    def clamp(self, instant: datetime) -> datetime:
        """`instant` moved into the cycle if it lies outside (rules.md section 3, a')."""
        if instant < self.start:
            return self.start
        return instant if instant < self.end else self.end - LAST_MOMENT


@dataclass(frozen=True, slots=True)
class Calendar:
    """All cycles of a group. Raises InvalidCalendarError unless they are in order, apart and numbered from 1."""

    cycles: tuple[Cycle, ...]
    _starts: tuple[datetime, ...] = field(init=False, repr=False, compare=False)
    _by_name: dict[str, Cycle] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse cycles that are out of order, overlap or share a name."""
        for number, cycle in enumerate(self.cycles, start=1):
            if cycle.number != number:
                raise InvalidCalendarError(f"cycle {cycle.name} has number {cycle.number}, expected {number}")
        for earlier, later in zip(self.cycles, self.cycles[1:], strict=False):
            if later.start < earlier.end:
                raise InvalidCalendarError(f"cycle {later.name} starts before {earlier.name} ends")
        object.__setattr__(self, "_starts", tuple(cycle.start for cycle in self.cycles))
        object.__setattr__(self, "_by_name", {cycle.name: cycle for cycle in self.cycles})
        if len(self._by_name) != len(self.cycles):
            raise InvalidCalendarError("two cycles share a name")

    @classmethod
    def of(cls, periods: Iterable[tuple[str, datetime, datetime]]) -> "Calendar":
        """The calendar of `(name, start, end)` periods, numbered from 1 in order of their start."""
        ordered = sorted(periods, key=lambda period: period[1])
        return cls(
            tuple(
                Cycle(number=number, name=name, start=start, end=end)
                for number, (name, start, end) in enumerate(ordered, start=1)
            )
        )

    def named(self, name: str) -> Cycle | None:
        """The cycle with this `periodName`, or None."""
        return self._by_name.get(name)

    def numbered(self, number: int) -> Cycle:
        """The cycle with this number, counted from 1."""
        return self.cycles[number - 1]

    def holding(self, instant: datetime) -> Cycle | None:
        """The cycle that holds the instant, or None in a gap, before the first and after the last."""
        position = bisect_right(self._starts, instant)
        if position == 0 or self.cycles[position - 1].end <= instant:
            return None
        return self.cycles[position - 1]

    def first_from(self, instant: datetime) -> Cycle | None:
        """The cycle that holds the instant, or else the next one, or None if none is left (rules.md section 1)."""
        position = bisect_right(self._starts, instant)
        if position and instant < self.cycles[position - 1].end:
            return self.cycles[position - 1]
        return self.cycles[position] if position < len(self.cycles) else None
