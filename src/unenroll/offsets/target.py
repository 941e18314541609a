"""Where offsets are to be set, as a person puts it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from unenroll.stream.cluster import Cluster, Partition


class Edge(StrEnum):
    """An end of a topic, or up to where Postgres has decided: of what it never decided, the earliest record."""

    EARLIEST = "earliest"
    LATEST = "latest"
    DECIDED = "decided"


Target = Edge | int | datetime
"""An end of the topic, where the database stands, an offset, or the first record that was written then or later."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """Which partitions are meant: of these topics, by their full names, and of these numbers, or all if empty."""

    topics: frozenset[str] = frozenset()
    numbers: frozenset[int] = frozenset()

    def takes(self, place: Partition) -> bool:
        """Whether the partition is meant."""
        return (not self.topics or place.topic in self.topics) and (not self.numbers or place.number in self.numbers)


async def offsets_of(cluster: Cluster, target: Target, places: Mapping[Partition, int | None]) -> dict[Partition, int]:
    """The offset that the target is in each partition, of which is known up to where it is decided.

    Raises OutageError and SetupError.
    """
    if target is Edge.DECIDED:
        beginnings = await cluster.beginnings(places.keys())
        return {place: beginnings[place] if at is None else at for place, at in places.items()}
    if target is Edge.EARLIEST:
        return await cluster.beginnings(places.keys())
    if target is Edge.LATEST:
        return await cluster.ends(places.keys())
    if isinstance(target, datetime):
        return await cluster.at(places.keys(), target)
    return dict.fromkeys(places, int(target))
