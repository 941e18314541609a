"""How far the worker is, as Kafka and Postgres know it: also while workers run, and while none does."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from unenroll.settings import WorkerSettings
from unenroll.status.group import Group, group
from unenroll.status.partitions import Offsets, PartitionTold, partition_told
from unenroll.store.connect import check_tables, connected
from unenroll.store.overview import DefinitionTold, KnownLane, Overview, RefusalTold, overview
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
class Status:
    """How far the group is, and what the database holds in all.

    The counts are of the whole database, whichever group decided. `requests`: by outcome, each event once, because
    duplicates leave no trace. `facts`: by event type. `dead_letters`: contents by reason. `settlements_due`: accounts
    that the lanes are still to be told of. `erased`: customers who were, on request. `refusals`: the latest 20
    definitions that were refused.
    """

    at: datetime
    topic_prefix: str
    group_id: str
    lanes: tuple[LaneTold, ...]
    partitions: tuple[PartitionTold, ...]
    requests: Mapping[str, int]
    facts: Mapping[str, int]
    dead_letters: Mapping[str, int]
    settlements_due: int
    erased: int
    definitions: tuple[DefinitionTold, ...]
    refusals: tuple[RefusalTold, ...]


async def status(settings: WorkerSettings) -> Status:
    """The status now. Changes and locks nothing. Raises OutageError and SetupError."""
    cluster = Cluster(settings)
    async with connected(settings.database_url.get_secret_value(), connections=1) as pool:
        await check_tables(pool)
        topics = await existing_topics(cluster, (settings.topic_prefix + word for word in INPUTS))
        places = partitions_of(topics.values())
        # What moves last is asked first, so that no offset is ahead of what it follows.
        said = await group(settings, places)
        tables = await overview(pool, topic_prefix=settings.topic_prefix, group_id=settings.group_id)
    known = _offsets(topics, said, tables, first=await cluster.beginnings(places), end=await cluster.ends(places))
    partitions = await _partitions(settings, known)
    return Status(
        at=datetime.now(UTC),
        topic_prefix=settings.topic_prefix,
        group_id=settings.group_id,
        lanes=tuple(_lanes(places, said.owners, tables.lanes)),
        partitions=tuple(partitions),
        requests=tables.requests,
        facts=tables.facts,
        dead_letters=tables.dead_letters,
        settlements_due=tables.settlements_due,
        erased=tables.erased,
        definitions=tables.definitions,
        refusals=tables.refusals,
    )


def _offsets(
    topics: Mapping[str, Topic],
    said: Group,
    tables: Overview,
    *,
    first: Mapping[Partition, int],
    end: Mapping[Partition, int],
) -> dict[Partition, Offsets]:
    decided = {
        Partition(topic=place.topic, number=lane.partition): place.offset
        for lane in tables.lanes
        for place in lane.decided
        if place.topic in topics and topics[place.topic].topic_id == place.topic_id
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
        for place, committed in said.committed.items()
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


def _lanes(
    places: Iterable[Partition], owners: Mapping[Partition, str], known: Iterable[KnownLane]
) -> Iterable[LaneTold]:
    rows = {lane.partition: lane for lane in known}
    of_lane = {place.number: owner for place, owner in owners.items()}
    for number in sorted({place.number for place in places}):
        row = rows.get(number)
        yield LaneTold(
            lane=number,
            owner=of_lane.get(number),
            epoch=row.epoch if row else 0,
            sequence=row.sequence if row else 0,
            published=row.published if row else 0,
        )
