"""Whose a lane is: the group's to give, or a process's own. Both ask before they fence anybody.

What is asked here keeps workers from taking a lane from each other in turns. That nothing is decided or published by
two of them is the business of the row's epoch and of the transactional id, whatever is answered here.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import asyncpg

from unenroll.errors import OutageError, SetupError
from unenroll.lane_numbers import numbers_text
from unenroll.observe.board import GROUP
from unenroll.settings import WorkerSettings
from unenroll.store.lanes import LaneKey
from unenroll.store.leases import Lessee, hindrance, lease
from unenroll.stream.cluster import Partition
from unenroll.stream.coordinator import Coordinator
from unenroll.stream.patience import Waiting

_GROUP_SECONDS = 0.1
_LEASE_SECONDS = 0.5
_RENEWALS_IN_A_LEASE = 5
_LONGEST_PAUSE_SECONDS = 3.0


class Hindrance(NamedTuple):
    """Why a lane is not ours now, if that is worth telling, and when to ask again."""

    why: str | None
    seconds: float


class Rights(Protocol):
    """Who says whose a lane is."""

    async def hindrance(self, key: LaneKey, places: Collection[Partition]) -> Hindrance | None:
        """What speaks against taking the lane with these partitions; None if it is ours. Raises OutageError."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenByGroup:
    """The group's coordinator says it. Whoever has the lane in its UNENROLL_LANES goes first."""

    coordinator: Coordinator
    pool: asyncpg.Pool
    client_id: str

    async def hindrance(self, key: LaneKey, places: Collection[Partition]) -> Hindrance | None:
        """A resumed zombie that did not ask would fence the rightful owner."""
        owners = await self.coordinator.owners()
        if any(owners.get(place) != self.client_id for place in places):
            return Hindrance(None, _GROUP_SECONDS)
        why = await hindrance(self.pool, key, self.client_id)
        return None if why is None else Hindrance(why, _LEASE_SECONDS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """The process takes its lanes by itself: `numbers`. A lease in Postgres says which process that is.

    The first one keeps them while it lives; another one with the same lanes stands by until the lease has ended.
    """

    pool: asyncpg.Pool
    lessee: Lessee
    numbers: tuple[int, ...]

    async def hindrance(self, key: LaneKey, places: Collection[Partition]) -> Hindrance | None:
        """Where the lease is not to be had, or the lane not in this database."""
        del places  # whatever the group says
        why = await hindrance(self.pool, key, self.lessee.holder)
        if why is None and key.partition not in await lease(self.pool, self.lessee, [key.partition]):
            why = "another process was faster"
        return None if why is None else Hindrance(why, _LEASE_SECONDS)

    async def hold(self, waiting: Waiting) -> None:
        """Never return: renew the leases. What is not renewed in time may go to another process."""
        pause = min(self.lessee.milliseconds / 1000 / _RENEWALS_IN_A_LEASE, _LONGEST_PAUSE_SECONDS)
        while True:
            try:
                await lease(self.pool, self.lessee, self.numbers)
            except OutageError as outage:
                waiting.begin(GROUP, outage)
            else:
                waiting.end(GROUP)
            await asyncio.sleep(pause)


def taken(settings: WorkerSettings, pool: asyncpg.Pool, client_id: str, *, partitions: int) -> Taken:
    """The right of a process to the lanes that its settings name. Raises SetupError where a topic has no such one."""
    numbers = settings.own_lanes or ()
    missing = [number for number in numbers if number >= partitions]
    if missing:
        raise SetupError(
            f"UNENROLL_LANES names {numbers_text(missing)}, and no input topic has more than {partitions} partitions"
        )
    lessee = Lessee(
        topic_prefix=settings.topic_prefix,
        group_id=settings.group_id,
        holder=client_id,
        milliseconds=settings.session_timeout_ms,
    )
    return Taken(pool=pool, lessee=lessee, numbers=numbers)
