"""A record that names what nobody defined waits for its definition, a short time and once."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from time import monotonic
from typing import NamedTuple

import asyncpg

from unenroll.core.definitions import DefinitionSet
from unenroll.core.events import Event, RewardIssued, SettlementDue, UnenrollRequested
from unenroll.errors import LaneLostError
from unenroll.postgres.definitions import DefinitionCache
from unenroll.wire.decode import Received
from unenroll.worker.batch import DecodedRecord, groups_of

_LOOK_AGAIN_SECONDS = 0.1
_REMEMBERED = 10_000

Name = tuple[int | str, ...]


class DefinitionWait:
    """What the lanes of a worker have waited for already. In front of `Step`: it locks nothing."""

    def __init__(self, pool: asyncpg.Pool, cache: DefinitionCache, *, seconds: float) -> None:
        self._pool = pool
        self._cache = cache
        self._seconds = seconds
        self._waited_for: OrderedDict[Name, None] = OrderedDict()

    async def wait(self, readings: Iterable[DecodedRecord], stopping: asyncio.Event) -> None:
        """Return when all that the readings name is defined, or after the time to wait.

        Raises LaneLostError if the lane is to stop before that: who has it next waits in its turn. Raises OutageError.
        """
        events = [reading.content.event for reading in readings if isinstance(reading.content, Received)]
        deadline = monotonic() + self._seconds
        while missing := self._missing(events):
            await self._cache.look(
                self._pool, group_ids=groups_of(events), target_ids={event.target_id for event in events}
            )
            missing = self._missing(events)
            if not missing or monotonic() >= deadline:
                break
            if stopping.is_set():
                raise LaneLostError("stopped while a record waited for its definition")
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _LOOK_AGAIN_SECONDS)
        self._remember(missing)

    def _missing(self, events: Iterable[Event | SettlementDue]) -> set[Name]:
        known = self._cache.known
        undefined = (name for names in set(map(_names, events)) for name in _undefined(names, known))
        return {name for name in undefined if name not in self._waited_for}

    def _remember(self, names: Iterable[Name]) -> None:
        for name in names:
            self._waited_for[name] = None
        while len(self._waited_for) > _REMEMBERED:
            self._waited_for.popitem(last=False)


class _Names(NamedTuple):
    """What an event names that has to be defined."""

    target_id: int
    group_id: int | None
    period: str | None


def _names(event: Event | SettlementDue) -> _Names:
    if isinstance(event, RewardIssued):
        return _Names(event.target_id, None, None)
    period = None if isinstance(event, UnenrollRequested | SettlementDue) else event.period_name
    return _Names(event.target_id, event.group_id, period)


def _undefined(names: _Names, known: DefinitionSet) -> Iterator[Name]:
    if names.target_id not in known.owners:
        yield "target", names.target_id
    if names.group_id is None:
        return
    group = known.groups.get(names.group_id)
    if group is None:
        yield "group", names.group_id
    elif names.period is not None and group.calendar.named(names.period) is None:
        yield "cycle", names.group_id, names.period
