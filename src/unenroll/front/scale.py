"""The time axis of a timeline: which cycles are drawn, and at which position an instant is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from unenroll.core.calendar import Cycle

MOST_CYCLES = 60
_BEFORE, _AFTER = 2, 10
_LANES = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """The drawn period."""

    start: datetime
    end: datetime

    def at(self, instant: datetime) -> float:
        """The position of the instant in percent. Instants outside of the period are at its edge."""
        share = (instant - self.start) / (self.end - self.start)
        return round(100 * min(max(share, 0.0), 1.0), 3)

    def stretch(self, start: datetime, end: datetime) -> tuple[float, float]:
        """Position and width of the drawn part of a period."""
        x = self.at(start)
        return x, round(max(self.at(end) - x, 0.0), 3)


def drawn(cycles: Sequence[Cycle], moments: Iterable[datetime]) -> Sequence[Cycle]:
    """The cycles to draw: all, or of more than 60 those around these instants, which may be more than 60 too."""
    if len(cycles) <= MOST_CYCLES:
        return cycles
    instants = sorted(moments)
    if not instants:
        return cycles[:MOST_CYCLES]
    over = sum(cycle.end <= instants[0] for cycle in cycles)
    begun = sum(cycle.start <= instants[-1] for cycle in cycles)
    return cycles[min(max(over - _BEFORE, 0), len(cycles) - 1) : max(begun, 1) + _AFTER]


def lanes(places: Iterable[float], *, apart: float) -> list[int]:
    """For each place the lowest lane without a place nearer than `apart`, or the last lane if there is none."""
    taken: list[list[float]] = [[] for _ in range(_LANES)]
    found = []
    for place in places:
        free = (lane for lane, others in enumerate(taken) if all(abs(place - other) >= apart for other in others))
        lane = next(free, _LANES - 1)
        taken[lane].append(place)
        found.append(lane)
    return found
