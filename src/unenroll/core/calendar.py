"""The calendar of a target group: its cycles, and the cycle that an instant belongs to (rules.md section 1)."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

RESOLUTION = timedelta(microseconds=1)
"""The smallest difference between two instants."""


class InvalidCalendarError(ValueError):
    """The cycles overlap, share a name, are empty or are not in order."""


def require_offset(instant: datetime, name: str) -> None:
    """Raise ValueError if the instant has no UTC offset (rules.md, "Words"). `name` begins the message."""
    if instant.tzinfo is None:
        raise ValueError(f"{name} {instant.isoformat()} has no offset")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cycle:
    """A period of a target group, half-open: `start` belongs to it, `end` does not. Numbers begin with 1."""

    number: int
    name: str
    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Raise ValueError if an instant has no offset or the cycle does not end after its start."""
        require_offset(self.start, f"start of {self.name}")
        require_offset(self.end, f"end of {self.name}")
        if self.start >= self.end:
            raise InvalidCalendarError(f"cycle {self.name} ends at or before its start")

    def clamp(self, instant: datetime) -> datetime:
        """Return the instant, or the nearest one inside the cycle if it lies outside (rules.md section 3, a')."""
        if instant < self.start:
            return self.start
        return instant if instant < self.end else self.end - RESOLUTION


@dataclass(frozen=True, slots=True)
class Calendar:
    """All cycles of a target group, ordered by start and numbered from 1. They do not overlap; gaps are allowed."""

    cycles: tuple[Cycle, ...]
    _starts: tuple[datetime, ...] = field(init=False, repr=False, compare=False)
    _by_name: dict[str, Cycle] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raise InvalidCalendarError if cycles are numbered wrongly, overlap or share a name."""
        for number, cycle in enumerate(self.cycles, start=1):
            if cycle.number != number:
                raise InvalidCalendarError(f"cycle {cycle.name} has number {cycle.number}, expected {number}")
        for earlier, later in zip(self.cycles, self.cycles[1:], strict=False):
            if later.start < earlier.end:
                raise InvalidCalendarError(f"cycle {later.name} starts before {earlier.name} ends")
        by_name: dict[str, Cycle] = {}
        for cycle in self.cycles:
            if cycle.name in by_name:
                raise InvalidCalendarError(f"two cycles have the name {cycle.name}")
            by_name[cycle.name] = cycle
        object.__setattr__(self, "_starts", tuple(cycle.start for cycle in self.cycles))
        object.__setattr__(self, "_by_name", by_name)

    @classmethod
    def from_periods(cls, periods: Iterable[tuple[str, datetime, datetime]]) -> "Calendar":
        """Return the calendar of `(name, start, end)` periods, in any order. Raises ValueError if they do not fit."""
        ordered = sorted(periods, key=lambda period: period[1])
        return cls(
            tuple(
                Cycle(number=number, name=name, start=start, end=end)
                for number, (name, start, end) in enumerate(ordered, start=1)
            )
        )

    def cycle_named(self, name: str) -> Cycle | None:
        """Return the cycle with this `periodName`, or None."""
        return self._by_name.get(name)

    def cycle_numbered(self, number: int) -> Cycle:
        """Return the cycle with this number, counted from 1."""
        return self.cycles[number - 1]

    def cycle_at(self, instant: datetime) -> Cycle | None:
        """Return the cycle that contains the instant; None in a gap, before the first cycle and after the last."""
        position = bisect_right(self._starts, instant)
        if position == 0 or self.cycles[position - 1].end <= instant:
            return None
        return self.cycles[position - 1]

    def cycle_at_or_after(self, instant: datetime) -> Cycle | None:
        """Return the cycle that contains the instant, or else the next one, or None if none follows (section 1)."""
        position = bisect_right(self._starts, instant)
        if position and instant < self.cycles[position - 1].end:
            return self.cycles[position - 1]
        return self.cycles[position] if position < len(self.cycles) else None
