"""Read how far the workers are from Kafka and Postgres, whether workers run or not."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import asyncpg

from unenroll.kafka.admin import KafkaAdmin, KafkaTopic, TopicPartitionNumber, partitions_of
from unenroll.kafka.committed_offsets import CommittedOffset
from unenroll.kafka.consumer_group import GroupCoordinator, group_coordinator
from unenroll.kafka.range_reader import oldest_records
from unenroll.kafka.topics import INPUTS, existing_topics
from unenroll.postgres.pool import check_tables, open_pool
from unenroll.postgres.stats import (
    DatabaseOverview,
    DefinitionSummary,
    KnownLane,
    RefusalSummary,
    known_lanes,
    overview,
)
from unenroll.settings import StartPosition, WorkerSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneStatus:
    """One lane. `epoch` counts how often a worker opened it, `sequence` its decisions.

    `published` is a lower bound: the last decision that is known to be published. `owner` is the client id of the
    lane's worker, None if it has none or the group is rebalancing.
    """

    lane: int
    owner: str | None
    epoch: int
    sequence: int
    published: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionStatus:
    """One partition of an input topic.

    `committed` is None if the group never committed, `decided` if no lane ever decided a record. `end` is the last
    stable offset. `lag` counts the offsets before it that were not processed, including transaction markers. `oldest`
    is the timestamp of the oldest unprocessed record, and `age_seconds` its age; both are None if there is no such
    record. `gone` counts the unprocessed offsets that the topic has deleted. `withheld_records` counts the offsets from
    `end` to the high watermark: a transaction that is open withholds them.
    """

    topic: str
    partition: int
    committed: int | None
    decided: int | None
    end: int
    lag: int
    withheld_records: int
    gone: int
    oldest: datetime | None
    age_seconds: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """The progress of a group, and counts of the whole database, whichever group decided.

    `requests` counts by outcome and `facts` by event type, each without duplicates, because they leave no row.
    `dead_letters` counts distinct contents by reason, `erased` erased customers. A count is None if it took too long:
    `estimates` then has the estimated rows of its table, None without statistics. `resettlements` are the groups whose
    accounts a worker still has to ask the lanes to settle with appended cycles. `refusals` has the latest 20 refused
    definitions.
    """

    at: datetime
    topic_prefix: str
    group_id: str
    lanes: tuple[LaneStatus, ...]
    partitions: tuple[PartitionStatus, ...]
    requests: Mapping[str, int] | None = None
    facts: Mapping[str, int] | None = None
    dead_letters: Mapping[str, int] | None = None
    erased: int | None = None
    estimates: Mapping[str, int | None] = field(default_factory=dict)
    resettlements: tuple[int, ...] = ()
    definitions: tuple[DefinitionSummary, ...] = ()
    refusals: tuple[RefusalSummary, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether it has more than lanes and partitions."""
        return self.requests is not None or "ledger" in self.estimates

    def with_overview(self, found: DatabaseOverview) -> "Status":
        """Return the status with everything of the whole database."""
        return replace(
            self,
            requests=found.requests,
            facts=found.facts,
            dead_letters=found.dead_letters,
            erased=found.erased,
            estimates=found.estimates,
            resettlements=found.resettlements,
            definitions=found.definitions,
            refusals=found.refusals,
        )


async def status(settings: WorkerSettings, kafka: KafkaAdmin) -> AsyncIterator[Status]:
    """Yield the status of lanes and partitions now, then the same with the rest, whose counts may take a minute.

    Changes and locks nothing. Raises OutageError and SetupError.
    """
    async with open_pool(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        progress = await _progress(settings, kafka, pool)
        yield progress
        yield progress.with_overview(await overview(pool))


async def _progress(settings: WorkerSettings, kafka: KafkaAdmin, pool: asyncpg.Pool) -> Status:
    # Lanes decide, then commit: offsets that are read first are never ahead of the rows and the ends.
    topics = await existing_topics(kafka, (settings.topic_prefix + topic for topic in INPUTS))
    partitions = partitions_of(topics.values())
    group = await _group(settings, partitions)
    lanes = await known_lanes(pool, topic_prefix=settings.topic_prefix, group_id=settings.group_id)
    first, end = await kafka.beginnings(partitions), await kafka.ends(partitions)
    high = await kafka.high_watermarks(partitions)
    decided = _decided_offsets(lanes, topics)
    offsets = [
        _PartitionOffsets(
            partition=partition,
            committed=None if committed is None else committed.offset,
            decided=decided.get(partition),
            first=first[partition],
            end=end[partition],
            high=high[partition],
        )
        for partition, committed in group.committed.items()
    ]
    statuses = await _partition_statuses(settings, offsets)
    return Status(
        at=datetime.now(UTC),
        topic_prefix=settings.topic_prefix,
        group_id=settings.group_id,
        lanes=tuple(_lane_statuses(partitions, group, lanes)),
        partitions=tuple(statuses),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Group:
    """The committed offset of each partition, None if the group never committed, and the owners of partitions."""

    committed: Mapping[TopicPartitionNumber, CommittedOffset | None]
    owners: Mapping[TopicPartitionNumber, str]


async def _group(settings: WorkerSettings, partitions: Collection[TopicPartitionNumber]) -> _Group:
    async def read(coordinator: GroupCoordinator) -> _Group:
        return _Group(committed=await coordinator.committed(partitions), owners=await coordinator.owners())

    return await group_coordinator(settings, read)


def _decided_offsets(
    lanes: Iterable[KnownLane], topics: Mapping[str, KafkaTopic]
) -> Mapping[TopicPartitionNumber, int]:
    """The offsets after the last decided records, without those of topics that were deleted and created again."""
    return {
        TopicPartitionNumber(topic=position.topic, number=lane.partition): position.offset
        for lane in lanes
        for position in lane.decided
        if position.topic in topics and topics[position.topic].topic_id == position.topic_id
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class _PartitionOffsets:
    partition: TopicPartitionNumber
    committed: int | None
    decided: int | None
    first: int
    end: int
    high: int

    def first_unprocessed(self, start: StartPosition) -> int:
        """The first offset that was not processed. `start` applies if nothing was ever read."""
        for offset in (self.committed, self.decided):
            if offset is not None:
                return offset
        return self.end if start is StartPosition.LATEST else self.first


async def _partition_statuses(
    settings: WorkerSettings, partitions: Collection[_PartitionOffsets]
) -> list[PartitionStatus]:
    unprocessed = {one.partition: one.first_unprocessed(settings.start) for one in partitions}
    oldest = await oldest_records(
        settings,
        {
            one.partition: max(one.first, unprocessed[one.partition])
            for one in partitions
            if unprocessed[one.partition] < one.end
        },
    )
    now = datetime.now(UTC)
    return [
        _partition_status(one, unprocessed[one.partition], oldest=oldest.get(one.partition), now=now)
        for one in partitions
    ]


def _partition_status(
    offsets: _PartitionOffsets, unprocessed: int, *, oldest: datetime | None, now: datetime
) -> PartitionStatus:
    """The status of the partition at `now`. A record with a timestamp in the future has the age 0."""
    return PartitionStatus(
        topic=offsets.partition.topic,
        partition=offsets.partition.number,
        committed=offsets.committed,
        decided=offsets.decided,
        end=offsets.end,
        lag=max(0, offsets.end - max(unprocessed, offsets.first)),
        withheld_records=max(0, offsets.high - offsets.end),
        gone=max(0, offsets.first - unprocessed),
        oldest=oldest,
        age_seconds=None if oldest is None else max(0.0, round((now - oldest).total_seconds(), 3)),
    )


def _lane_statuses(
    partitions: Iterable[TopicPartitionNumber], group: _Group, rows: Iterable[KnownLane]
) -> Iterable[LaneStatus]:
    by_number = {lane.partition: lane for lane in rows}
    owners = {partition.number: owner for partition, owner in group.owners.items()}
    for number in sorted({partition.number for partition in partitions}):
        row = by_number.get(number)
        yield LaneStatus(
            lane=number,
            owner=owners.get(number),
            epoch=row.epoch if row else 0,
            sequence=row.sequence if row else 0,
            published=row.published if row else 0,
        )
