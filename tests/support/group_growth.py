"""Groups that grow while a workload arrives: in which part of an arrival each version of a definition comes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from support.workload import Workload
from unenroll.core.definitions import TargetGroup
from unenroll.core.events import CustomerEnrolled, Event, RewardEarned

PARTS = 3


@dataclass(frozen=True, kw_only=True)
class Growth:
    """`parts` has, by group, the part in which each of its versions comes. The first is there from the beginning."""

    workload: Workload
    parts: Mapping[int, Sequence[int]]

    def versions(self, part: int) -> int:
        """The sum of the versions that the groups have by the end of the part."""
        return sum(sum(comes <= part for comes in parts) for parts in self.parts.values())

    def definitions(self, part: int) -> Iterator[TargetGroup]:
        """What the part defines: each new version, the older ones of the same group told again, and once more."""
        for group in self.workload.groups:
            for version, comes in enumerate(self.parts[group.group_id], start=1):
                if version > 1 and comes == part:
                    yield self.workload.defined(group, version)
                    yield from (self.workload.defined(group, deliveries) for deliveries in range(1, version + 1))

    def spread(self, deliveries: Sequence[tuple[Event, bool]], rng: Random) -> list[list[tuple[Event, bool]]]:
        """The events cut into parts. One that names a cycle comes no earlier than what defines the cycle."""
        cuts = sorted(rng.choices(range(len(deliveries) + 1), k=PARTS - 1))
        spread: list[list[tuple[Event, bool]]] = [[] for _ in range(PARTS)]
        for place, (event, again) in enumerate(deliveries):
            spread[max(sum(cut <= place for cut in cuts), self._first_part(event))].append((event, again))
        return spread

    def _first_part(self, event: Event) -> int:
        name = event.period_name if isinstance(event, CustomerEnrolled | RewardEarned) else None
        if name is None or not isinstance(event, CustomerEnrolled | RewardEarned):
            return 0
        (group,) = (group for group in self.workload.groups if group.group_id == event.group_id)
        cycle = group.calendar.cycle_named(name)
        assert cycle is not None, name
        known = zip(self.workload.grown[event.group_id], self.parts[event.group_id], strict=True)
        return next(comes for cycles, comes in known if cycles >= cycle.number)


def plan_growth(workload: Workload, rng: Random) -> Growth:
    """Each later version in any part but the first, in the order of the versions."""
    return Growth(workload=workload, parts={group: _parts(cycles, rng) for group, cycles in workload.grown.items()})


def _parts(versions: Iterable[int], rng: Random) -> list[int]:
    _, *later = versions
    return [0, *sorted(rng.choices(range(1, PARTS), k=len(later)))]
