"""Waits a short time, once per name, for definitions that a batch needs and that nobody has sent yet."""

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
from unenroll.wire.decode import ReceivedEvent
from unenroll.worker.batch import DecodedRecord, group_ids_of

_POLL_SECONDS = 0.1
_MAX_REMEMBERED = 10_000

Name = tuple[int | str, ...]
"""The kind and id of something that a definition defines: a target, a group or a cycle."""


class DefinitionWait:
    """The names that the lanes of a worker have waited for. Locks nothing."""

    def __init__(self, pool: asyncpg.Pool, cache: DefinitionCache, *, seconds: float) -> None:
        self._pool = pool
        self._cache = cache
        self._seconds = seconds
        self._waited_for: OrderedDict[Name, None] = OrderedDict()

    async def wait(self, records: Iterable[DecodedRecord], stopping: asyncio.Event) -> None:
        """Return when everything that the records name is defined, or when the time is over.

        Raises LaneLostError if the lane has to stop before that: the next owner waits again. Raises OutageError.
        """
        events = [decoded.content.event for decoded in records if isinstance(decoded.content, ReceivedEvent)]
        deadline = monotonic() + self._seconds
        while missing := self._missing(events):
            await self._cache.refresh(
                self._pool, group_ids=group_ids_of(events), target_ids={event.target_id for event in events}
            )
            missing = self._missing(events)
            if not missing or monotonic() >= deadline:
                break
            if stopping.is_set():
                raise LaneLostError("the lane had to stop while a record waited for its definition")
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _POLL_SECONDS)
        self._remember(missing)

    def _missing(self, events: Iterable[Event | SettlementDue]) -> set[Name]:
        known = self._cache.cached
        undefined = (name for names in set(map(_names, events)) for name in _undefined(names, known))
        return {name for name in undefined if name not in self._waited_for}

    def _remember(self, names: Iterable[Name]) -> None:
        for name in names:
            self._waited_for[name] = None
        while len(self._waited_for) > _MAX_REMEMBERED:
            self._waited_for.popitem(last=False)


class _Names(NamedTuple):
    """What an event names and a definition has to define."""

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
    elif names.period is not None and group.calendar.cycle_named(names.period) is None:
        yield "cycle", names.group_id, names.period
