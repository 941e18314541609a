"""How far the worker is, as Kafka and Postgres know it: also while workers run, and while none does."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from unenroll.kafka.admin import Cluster, Partition, Topic, partitions_of
from unenroll.kafka.committed_offsets import Committed
from unenroll.kafka.consumer_group import Coordinator, asked
from unenroll.kafka.range_reader import oldest_records
from unenroll.kafka.topics import INPUTS, existing_topics
from unenroll.postgres.pool import check_tables, connected
from unenroll.postgres.stats import DefinitionTold, KnownLane, RefusalTold, overview
from unenroll.settings import Start, WorkerSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class Offsets:
    """What is known of one partition: None where the group never committed, or no lane ever decided."""

    topic: str
    partition: int
    committed: int | None
    decided: int | None
    first: int
    end: int

    def goes_on_at(self, start: Start) -> int:
        """The first offset that was not processed. `start` counts where nothing was ever read."""
        for known in (self.committed, self.decided):
            if known is not None:
                return known
        return self.end if start is Start.LATEST else self.first


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionTold:
    """One partition of an input topic. `lag` counts offsets, so also the markers of transactions.

    `end` is behind the last record that a read_committed reader sees. `oldest` is the time that the oldest
    unprocessed record carries, `age_seconds` how long ago that is; None where there is no such record, although `lag`
    may count markers. `gone`: how many offsets the topic no longer holds that were not processed.
    """

    topic: str
    partition: int
    committed: int | None
    decided: int | None
    end: int
    lag: int
    gone: int
    oldest: datetime | None
    age_seconds: float | None


def partition_told(offsets: Offsets, *, start: Start, oldest: datetime | None, now: datetime) -> PartitionTold:
    """The partition as of now. A record from a clock that is ahead of ours has the age 0."""
    goes_on_at = offsets.goes_on_at(start)
    return PartitionTold(
        topic=offsets.topic,
        partition=offsets.partition,
        committed=offsets.committed,
        decided=offsets.decided,
        end=offsets.end,
        lag=max(0, offsets.end - max(goes_on_at, offsets.first)),
        gone=max(0, offsets.first - goes_on_at),
        oldest=oldest,
        age_seconds=None if oldest is None else max(0.0, round((now - oldest).total_seconds(), 3)),
    )


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


async def status(settings: WorkerSettings, cluster: Cluster) -> Status:
    """The status now. Changes and locks nothing. Raises OutageError and SetupError."""
    async with connected(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        kafka = await said(settings, cluster)
        tables = await overview(pool, topic_prefix=settings.topic_prefix, group_id=settings.group_id)
    found = await progress(settings, cluster, said=kafka, lanes=tables.lanes)
    return Status(
        at=found.at,
        topic_prefix=settings.topic_prefix,
        group_id=settings.group_id,
        lanes=found.lanes,
        partitions=found.partitions,
        requests=tables.requests,
        facts=tables.facts,
        dead_letters=tables.dead_letters,
        settlements_due=tables.settlements_due,
        erased=tables.erased,
        definitions=tables.definitions,
        refusals=tables.refusals,
    )
