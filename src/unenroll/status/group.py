"""What the group's coordinator says of all our partitions."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from unenroll.settings import WorkerSettings
from unenroll.stream.cluster import Partition
from unenroll.stream.coordinator import Coordinator, asked
from unenroll.stream.resume import Committed


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """What is committed of each partition, None where the group never did, and who owns it."""

    committed: Mapping[Partition, Committed | None]
    owners: Mapping[Partition, str]


async def group(settings: WorkerSettings, places: Collection[Partition]) -> Group:
    """What the coordinator says. Raises OutageError and SetupError."""

    async def question(coordinator: Coordinator) -> Group:
        return Group(committed=await coordinator.committed(places), owners=await coordinator.owners())

    return await asked(settings, question)
