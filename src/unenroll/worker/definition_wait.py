"""Waits for the definitions that a batch names and Postgres does not have, if they are on the topic already."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import asyncpg

from unenroll.core.definitions import DefinitionSet
from unenroll.core.events import Event, RewardIssued, SettlementDue, UnenrollRequested
from unenroll.errors import LaneLostError
from unenroll.postgres.definitions import DefinitionCache
from unenroll.wire.decode import ReceivedEvent
from unenroll.worker.batch import DecodedRecord, group_ids_of
from unenroll.worker.definitions_topic import DefinitionsFollower


@dataclass(frozen=True, kw_only=True, slots=True)
class DefinitionWait:
    """Lets the lanes of a worker wait. Locks nothing."""

    pool: asyncpg.Pool
    cache: DefinitionCache
    follower: DefinitionsFollower

    async def wait(self, records: Iterable[DecodedRecord], stopping: asyncio.Event) -> None:
        """Return when Postgres has all definitions that the records name, as far as they are on the topic now.

        A name that is unknown after that is unknown: its definition was not on the topic when the record was read.
        Raises LaneLostError if the lane has to stop before that, and OutageError if the topic cannot be read.
        """
        events = [decoded.content.event for decoded in records if isinstance(decoded.content, ReceivedEvent)]
        names = set(map(_names, events))
        if not _has_undefined(names, self.cache.cached) or not _has_undefined(names, await self._read(events)):
            return
        looking = asyncio.ensure_future(self.follower.wait_for_all())
        stopped = asyncio.ensure_future(stopping.wait())
        try:
            await asyncio.wait({looking, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not looking.done():
                raise LaneLostError("the lane had to stop while a record waited for its definition")
            looking.result()
        finally:
            looking.cancel()
            stopped.cancel()

    async def _read(self, events: Iterable[Event | SettlementDue]) -> DefinitionSet:
        events = list(events)
        return await self.cache.read(
            self.pool, group_ids=group_ids_of(events), target_ids={event.target_id for event in events}
        )


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


def _has_undefined(names: Iterable[_Names], known: DefinitionSet) -> bool:
    return any(_is_undefined(one, known) for one in names)


def _is_undefined(names: _Names, known: DefinitionSet) -> bool:
    if names.target_id not in known.owners:
        return True
    if names.group_id is None:
        return False
    group = known.groups.get(names.group_id)
    return group is None or (names.period is not None and group.calendar.cycle_named(names.period) is None)
