"""What a lane may read: its partition number of every input topic, and only while the group gives it to its worker."""

import asyncio
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass

from unenroll.settings import WorkerSettings
from unenroll.store.lanes import Position
from unenroll.stream.cluster import Partition
from unenroll.stream.coordinator import Coordinator
from unenroll.stream.reader import Reader, reading

_ASK_AGAIN_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Intake:
    """A lane's right to its partitions, and its way to their records. `client_id` is its worker's in the group."""

    settings: WorkerSettings
    coordinator: Coordinator
    client_id: str
    number: int
    topics: Iterable[str]

    async def owned(self, stopping: asyncio.Event) -> bool:
        """Wait until the group's coordinator says that the lane is ours; False if it is to stop before.

        A resumed zombie that did not ask would fence the rightful owner. That nothing is decided or published by two of
        them is the business of the row's epoch and of the transactional id, whatever is answered here.
        """
        mine = {Partition(topic=topic, number=self.number) for topic in self.topics}
        while not stopping.is_set():
            owners = await self.coordinator.owners()
            if all(owners.get(place) == self.client_id for place in mine):
                return True
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _ASK_AGAIN_SECONDS)
        return False

    def reading(self, positions: Iterable[Position]) -> AbstractAsyncContextManager[Reader]:
        """The lane's records from these positions on."""
        return reading(self.settings, self.number, tuple(positions))
