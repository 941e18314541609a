"""What the group's coordinator says of all our partitions."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from time import monotonic

from unenroll.errors import OutageError
from unenroll.settings import WorkerSettings
from unenroll.stream.cluster import Partition
from unenroll.stream.coordinator import Coordinator
from unenroll.stream.resume import Committed

_NO_COORDINATOR_SECONDS = 5.0
_ASK_AGAIN_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """What is committed of each partition, None where the group never did, and the client ids of the owners."""

    committed: Mapping[Partition, Committed | None]
    owners: Mapping[Partition, str]


async def group(settings: WorkerSettings, places: Collection[Partition]) -> Group:
    """What the coordinator says; a cluster that never had a group needs a moment. Raises OutageError, SetupError."""
    deadline = monotonic() + _NO_COORDINATOR_SECONDS
    while True:
        try:
            async with Coordinator(settings) as coordinator:
                return Group(committed=await coordinator.committed(places), owners=await coordinator.owners())
        except OutageError:
            if monotonic() > deadline:
                raise
        await asyncio.sleep(_ASK_AGAIN_SECONDS)
