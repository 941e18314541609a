"""How far the group is in its topics: what Kafka and the lanes' rows say together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from unenroll.settings import WorkerSettings
from unenroll.status.group import Group, group
from unenroll.status.partitions import Offsets, PartitionTold, partition_told
from unenroll.store.overview import KnownLane
from unenroll.stream.cluster import Cluster, Partition, Topic, partitions_of
from unenroll.stream.oldest import oldest_records
from unenroll.stream.topics import INPUTS, existing_topics


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneTold:
    """A lane: `epoch` counts how often it was opened, `sequence` its decisions.

    `published` is a lower bound of what went out. `owner` is the client id of the worker that has it, None while
    nobody does, and while the group shares its lanes out anew.
    """

    lane: int
    owner: str | None
    epoch: int
    sequence: int
    published: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far the group is."""

    at: datetime
    lanes: tuple[LaneTold, ...]
    partitions: tuple[PartitionTold, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What Kafka says first: the input topics, and the group. What it says of ends is asked for last."""

    topics: Mapping[str, Topic]
    group: Group


async def said(settings: WorkerSettings, cluster: Cluster) -> Said:
    """What moves last, asked first, so that no offset is ahead of what it follows. Raises OutageError, SetupError."""
    topics = await existing_topics(cluster, (settings.topic_prefix + word for word in INPUTS))
    return Said(topics=topics, group=await group(settings, partitions_of(topics.values())))


async def progress(settings: WorkerSettings, cluster: Cluster, *, said: Said, lanes: Iterable[KnownLane]) -> Progress:
    """How far the group is, from what Kafka said before these rows were read. Raises OutageError and SetupError."""
    known, places = tuple(lanes), partitions_of(said.topics.values())
    first, end = await cluster.beginnings(places), await cluster.ends(places)
    owners = {place.number: owner for place, owner in said.group.owners.items()}
    partitions = await _partitions(settings, _offsets(said, known, first=first, end=end))
    return Progress(
        at=datetime.now(UTC),
        lanes=tuple(_lanes(places, owners, known)),
        partitions=tuple(partitions),
    )


def _offsets(
    said: Said, lanes: Iterable[KnownLane], *, first: Mapping[Partition, int], end: Mapping[Partition, int]
) -> dict[Partition, Offsets]:
    decided = {
        Partition(topic=place.topic, number=lane.partition): place.offset
        for lane in lanes
        for place in lane.decided
        if place.topic in said.topics and said.topics[place.topic].topic_id == place.topic_id
    }
    return {
        place: Offsets(
            topic=place.topic,
            partition=place.number,
            committed=None if committed is None else committed.offset,
            decided=decided.get(place),
            first=first[place],
            end=end[place],
        )
        for place, committed in said.group.committed.items()
    }


async def _partitions(settings: WorkerSettings, known: Mapping[Partition, Offsets]) -> list[PartitionTold]:
    unread = {
        place: max(offsets.first, offsets.goes_on_at(settings.start))
        for place, offsets in known.items()
        if offsets.goes_on_at(settings.start) < offsets.end
    }
    oldest = await oldest_records(settings, unread)
    now = datetime.now(UTC)
    return [
        partition_told(offsets, start=settings.start, oldest=oldest.get(place), now=now)
        for place, offsets in known.items()
    ]


def _lanes(places: Iterable[Partition], owners: Mapping[int, str], known: Iterable[KnownLane]) -> Iterable[LaneTold]:
    rows = {lane.partition: lane for lane in known}
    for number in sorted({place.number for place in places}):
        row = rows.get(number)
        yield LaneTold(
            lane=number,
            owner=owners.get(number),
            epoch=row.epoch if row else 0,
            sequence=row.sequence if row else 0,
            published=row.published if row else 0,
        )
