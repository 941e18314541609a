"""The time axis of a drawing: which part of it is drawn, and where instants lie on it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from unenroll.core.calendar import Cycle

MOST_CYCLES = 60
_BEFORE, _AFTER = 2, 10
_LANES = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """From one instant to a later one."""

    start: datetime
    end: datetime

    def at(self, instant: datetime) -> float:
        """Where the instant lies, in percent; what lies outside is moved to the edge."""
        share = (instant - self.start) / (self.end - self.start)
        return round(100 * min(max(share, 0.0), 1.0), 3)

    def stretch(self, start: datetime, end: datetime) -> tuple[float, float]:
        """Where it begins and how wide it is, as far as it is drawn."""
        x = self.at(start)
        return x, round(max(self.at(end) - x, 0.0), 3)


def drawn(cycles: Sequence[Cycle], moments: Iterable[datetime]) -> Sequence[Cycle]:
    """The cycles that are drawn: all, or of very many those around these instants, which may be many too."""
    if len(cycles) <= MOST_CYCLES:
        return cycles
    instants = sorted(moments)
    if not instants:
        return cycles[:MOST_CYCLES]
    over = sum(cycle.end <= instants[0] for cycle in cycles)
    begun = sum(cycle.start <= instants[-1] for cycle in cycles)
    return cycles[min(max(over - _BEFORE, 0), len(cycles) - 1) : max(begun, 1) + _AFTER]


def lanes(places: Sequence[float], *, apart: float) -> list[int]:
    """For each place the lowest lane in which nothing is nearer to it. Where all lanes are full they share the last."""
    taken: list[list[float]] = [[] for _ in range(_LANES)]
    found = []
    for place in places:
        free = (lane for lane, others in enumerate(taken) if all(abs(place - other) >= apart for other in others))
        lane = next(free, None)
        if lane is not None:
            taken[lane].append(place)
        found.append(_LANES - 1 if lane is None else lane)
    return found
