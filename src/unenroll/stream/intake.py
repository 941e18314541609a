"""What a lane may read: its partition number of every input topic, and only while the lane is its worker's."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass

import structlog

from unenroll.settings import WorkerSettings
from unenroll.store.lanes import LaneKey, Position
from unenroll.stream.cluster import Partition
from unenroll.stream.reader import Reader, reading
from unenroll.stream.rights import Rights

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Intake:
    """A lane's right to its partitions, and its way to their records."""

    settings: WorkerSettings
    rights: Rights
    key: LaneKey
    topics: Iterable[str]

    async def owned(self, stopping: asyncio.Event, *, hindered: Callable[[str | None], None]) -> bool:
        """Wait until nothing speaks against taking the lane; False if it is to stop before.

        What is worth telling is told once, not each time that it is found; `hindered` hears of it each time, and of
        None once it is over.
        """
        mine = {Partition(topic=topic, number=self.key.partition) for topic in self.topics}
        told = None
        while not stopping.is_set():
            hindrance = await self.rights.hindrance(self.key, mine)
            hindered(None if hindrance is None else hindrance.why)
            if hindrance is None:
                return True
            if hindrance.why not in {None, told}:
                told = hindrance.why
                log.warning("lane_waiting", lane=self.key.partition, why=told)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), hindrance.seconds)
        return False

    def reading(self, positions: Iterable[Position]) -> AbstractAsyncContextManager[Reader]:
        """The lane's records from these positions on."""
        return reading(self.settings, self.key.partition, tuple(positions))
