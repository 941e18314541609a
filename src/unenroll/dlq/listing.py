"""Dead letters, counted in all and the latest of them told one by one."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from typing import NamedTuple

from unenroll.dlq.healing import HEALS
from unenroll.dlq.reading import reading
from unenroll.dlq.told import LetterTold, key_of, state_of, told
from unenroll.dlq.wanted import Found, Wanted
from unenroll.settings import WorkerSettings
from unenroll.store.connect import check_tables, connected
from unenroll.store.letters import State, handled
from unenroll.stream.cluster import Cluster


class _Order(NamedTuple):
    """The latest letter comes last."""

    at: float
    partition: int
    offset: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """How many letters with this reason were handled so. `heals` is what they wait for, None where they never heal."""

    reason: str
    heals: str | None
    state: State
    letters: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """The latest letters in order of time, and counts of all that were meant. `letters` counts them together."""

    letters: int
    counts: tuple[Count, ...]
    latest: tuple[LetterTold, ...]


@dataclass(kw_only=True, slots=True)
class _Latest:
    """So many of the letters that were put aside last, in bounded memory."""

    most: int
    _kept: list[tuple[_Order, LetterTold]] = field(default_factory=list)

    def add(self, found: Found, one: LetterTold) -> None:
        at = found.at.timestamp() if found.at else 0.0
        entry = (_Order(at, found.letter.partition, found.letter.offset), one)
        if len(self._kept) < self.most:
            heappush(self._kept, entry)
        elif self.most:
            heappushpop(self._kept, entry)

    def letters(self) -> tuple[LetterTold, ...]:
        return tuple(one for _, one in sorted(self._kept, key=lambda entry: entry[0]))


async def listed(settings: WorkerSettings, wanted: Wanted, *, states: frozenset[State], most: int) -> Listed:
    """What lies on the topic now. `states`: only these, or all if it is empty. Raises OutageError and SetupError."""
    latest, counts = _Latest(most=most), Counter[tuple[str, State]]()
    async with connected(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        letters = await reading(settings, Cluster(settings))
        async for some in letters.letters(wanted):
            known = await handled(pool, {key_of(found.letter) for found in some}, topic_prefix=wanted.prefix)
            for found in some:
                what = known.get(key_of(found.letter))
                if not states or state_of(what) in states:
                    counts[found.letter.reason, state_of(what)] += 1
                    latest.add(found, told(found, what, prefix=wanted.prefix))
    return Listed(letters=counts.total(), counts=tuple(_counts(counts.items())), latest=latest.letters())


def _counts(found: Iterable[tuple[tuple[str, State], int]]) -> Iterable[Count]:
    for (reason, state), letters in sorted(found):
        yield Count(reason=reason, heals=HEALS.get(reason), state=state, letters=letters)
