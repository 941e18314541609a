"""How far the worker is, as Kafka and Postgres know it: also while workers run, and while none does."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from unenroll.kafka.admin import KafkaAdmin, KafkaTopic, TopicPartitionNumber, partitions_of
from unenroll.kafka.committed_offsets import CommittedOffset
from unenroll.kafka.consumer_group import GroupCoordinator, group_coordinator
from unenroll.kafka.range_reader import oldest_records
from unenroll.kafka.topics import INPUTS, existing_topics
from unenroll.postgres.pool import check_tables, connected
from unenroll.postgres.stats import DefinitionSummary, KnownLane, RefusalSummary, overview
from unenroll.settings import StartPosition, WorkerSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionOffsets:
    """What is known of one partition: None where the group never committed, or no lane ever decided."""

    topic: str
    partition: int
    committed: int | None
    decided: int | None
    first: int
    end: int

    def goes_on_at(self, start: StartPosition) -> int:
        """The first offset that was not processed. `start` counts where nothing was ever read."""
        for known in (self.committed, self.decided):
            if known is not None:
                return known
        return self.end if start is StartPosition.LATEST else self.first


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionStatus:
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


def partition_status(
    offsets: PartitionOffsets, *, start: StartPosition, oldest: datetime | None, now: datetime
) -> PartitionStatus:
    """The partition as of now. A record from a clock that is ahead of ours has the age 0."""
    goes_on_at = offsets.goes_on_at(start)
    return PartitionStatus(
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
class GroupStatus:
    """What is committed of each partition, None where the group never did, and who owns it."""

    committed: Mapping[TopicPartitionNumber, CommittedOffset | None]
    owners: Mapping[TopicPartitionNumber, str]


async def group(settings: WorkerSettings, places: Collection[TopicPartitionNumber]) -> GroupStatus:
    """What the coordinator says. Raises OutageError and SetupError."""

    async def question(coordinator: GroupCoordinator) -> GroupStatus:
        return GroupStatus(committed=await coordinator.committed(places), owners=await coordinator.owners())

    return await group_coordinator(settings, question)


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneStatus:
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
class GroupProgress:
    """How far the group is."""

    at: datetime
    lanes: tuple[LaneStatus, ...]
    partitions: tuple[PartitionStatus, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class KafkaStatus:
    """What Kafka says first: the input topics, and the group. What it says of ends is asked for last."""

    topics: Mapping[str, KafkaTopic]
    group: GroupStatus


async def kafka_status(settings: WorkerSettings, cluster: KafkaAdmin) -> KafkaStatus:
    """What moves last, asked first, so that no offset is ahead of what it follows. Raises OutageError, SetupError."""
    topics = await existing_topics(cluster, (settings.topic_prefix + word for word in INPUTS))
    return KafkaStatus(topics=topics, group=await group(settings, partitions_of(topics.values())))


async def progress(
    settings: WorkerSettings, cluster: KafkaAdmin, *, said: KafkaStatus, lanes: Iterable[KnownLane]
) -> GroupProgress:
    """How far the group is, from what Kafka said before these rows were read. Raises OutageError and SetupError."""
    known, places = tuple(lanes), partitions_of(said.topics.values())
    first, end = await cluster.beginnings(places), await cluster.ends(places)
    owners = {place.number: owner for place, owner in said.group.owners.items()}
    partitions = await _partitions(settings, _offsets(said, known, first=first, end=end))
    return GroupProgress(
        at=datetime.now(UTC),
        lanes=tuple(_lanes(places, owners, known)),
        partitions=tuple(partitions),
    )


def _offsets(
    said: KafkaStatus,
    lanes: Iterable[KnownLane],
    *,
    first: Mapping[TopicPartitionNumber, int],
    end: Mapping[TopicPartitionNumber, int],
) -> dict[TopicPartitionNumber, PartitionOffsets]:
    decided = {
        TopicPartitionNumber(topic=place.topic, number=lane.partition): place.offset
        for lane in lanes
        for place in lane.decided
        if place.topic in said.topics and said.topics[place.topic].topic_id == place.topic_id
    }
    return {
        place: PartitionOffsets(
            topic=place.topic,
            partition=place.number,
            committed=None if committed is None else committed.offset,
            decided=decided.get(place),
            first=first[place],
            end=end[place],
        )
        for place, committed in said.group.committed.items()
    }


async def _partitions(
    settings: WorkerSettings, known: Mapping[TopicPartitionNumber, PartitionOffsets]
) -> list[PartitionStatus]:
    unread = {
        place: max(offsets.first, offsets.goes_on_at(settings.start))
        for place, offsets in known.items()
        if offsets.goes_on_at(settings.start) < offsets.end
    }
    oldest = await oldest_records(settings, unread)
    now = datetime.now(UTC)
    return [
        partition_status(offsets, start=settings.start, oldest=oldest.get(place), now=now)
        for place, offsets in known.items()
    ]


def _lanes(
    places: Iterable[TopicPartitionNumber], owners: Mapping[int, str], known: Iterable[KnownLane]
) -> Iterable[LaneStatus]:
    rows = {lane.partition: lane for lane in known}
    for number in sorted({place.number for place in places}):
        row = rows.get(number)
        yield LaneStatus(
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
    lanes: tuple[LaneStatus, ...]
    partitions: tuple[PartitionStatus, ...]
    requests: Mapping[str, int]
    facts: Mapping[str, int]
    dead_letters: Mapping[str, int]
    settlements_due: int
    erased: int
    definitions: tuple[DefinitionSummary, ...]
    refusals: tuple[RefusalSummary, ...]


async def status(settings: WorkerSettings, cluster: KafkaAdmin) -> Status:
    """The status now. Changes and locks nothing. Raises OutageError and SetupError."""
    async with connected(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        kafka = await kafka_status(settings, cluster)
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
