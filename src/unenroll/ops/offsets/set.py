"""Set the group's committed offsets, while no worker runs, and keep who did it and why."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import asyncpg

from unenroll.errors import LaneLostError, UnenrollError, UsageError
from unenroll.kafka.admin import KafkaAdmin, KafkaTopic, TopicPartitionNumber
from unenroll.kafka.committed_offsets import CommittedOffset, last_published
from unenroll.kafka.consumer_group import committed_by
from unenroll.kafka.transactional_producer import LaneProducer
from unenroll.ops.offsets.show import GroupSnapshot, group_snapshot
from unenroll.postgres.lanes import LaneKey, LaneRow, take_lane
from unenroll.postgres.offset_changes import OffsetChange, begin_offset_changes, offset_changes
from unenroll.postgres.pool import check_tables, open_pool
from unenroll.settings import WorkerSettings
from unenroll.text import plural


class OffsetTarget(StrEnum):
    """The beginning or end of the topic, or the offset in Postgres (the beginning if Postgres has none)."""

    EARLIEST = "earliest"
    LATEST = "latest"
    DECIDED = "decided"


Target = OffsetTarget | int | datetime
"""Where to set the offsets. An instant means the first record that was written then or later."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionChoice:
    """Selects partitions by the full names of their topics and by their numbers. Empty: all of them."""

    topics: frozenset[str] = frozenset()
    numbers: frozenset[int] = frozenset()

    def includes(self, partition: TopicPartitionNumber) -> bool:
        """Whether the partition is selected."""
        in_topic = not self.topics or partition.topic in self.topics
        return in_topic and (not self.numbers or partition.number in self.numbers)


@dataclass(frozen=True, kw_only=True, slots=True)
class OffsetChangeOptions:
    """Which offsets to set and where, by which operator and why. `skip`: also where undecided records are skipped."""

    choice: PartitionChoice
    target: Target
    by: str
    why: str
    skip: bool = False
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionChange:
    """One partition's offset, before and now. `skipped` counts the undecided offsets that the change skips."""

    topic: str
    partition: int
    before: int | None
    offset: int
    skipped: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OffsetsResult:
    """The changes (in a dry run: what would change). `change_id` is the number of the change in Postgres."""

    dry_run: bool
    change_id: int | None
    partitions: tuple[PartitionChange, ...]


_BATCH_BYTES = 1_000_000  # any number will do: the producer sends nothing


async def set_offsets(settings: WorkerSettings, options: OffsetChangeOptions) -> OffsetsResult:
    """Set the offsets. It is safe to repeat after any error.

    Raises UnenrollError if a worker runs or if undecided records would be skipped without `skip`, UsageError if the
    target or the choice does not exist, OutageError and SetupError.
    """
    cluster = KafkaAdmin(settings)
    async with open_pool(settings.database_url, connections=2) as pool:
        await check_tables(pool)
        snapshot = await group_snapshot(settings, pool, cluster)
        _check_no_members(snapshot, settings.group_id)
        partitions = [partition for partition in snapshot.committed if options.choice.includes(partition)]
        if not partitions:
            raise UsageError("no such partition of the input topics: `unenroll offsets show` lists them")
        decided = {partition: snapshot.partition_state(partition).decided for partition in partitions}
        offsets = await target_offsets(cluster, options.target, decided)
        changes = [_change(snapshot, partition, offsets[partition]) for partition in partitions]
        _check_skipped(changes, options)
        setter = _OffsetSetter(settings=settings, pool=pool, cluster=cluster, topics=snapshot.topics)
        change_id = None if options.dry_run else await setter.run(changes, options)
    return OffsetsResult(dry_run=options.dry_run, change_id=change_id, partitions=tuple(changes))


async def target_offsets(
    cluster: KafkaAdmin, target: Target, decided: Mapping[TopicPartitionNumber, int | None]
) -> dict[TopicPartitionNumber, int]:
    """Return the offset that the target means in each of these partitions, by their offsets in Postgres.

    Raises OutageError and SetupError.
    """
    if target is OffsetTarget.DECIDED:
        first = await cluster.beginnings(decided.keys())
        return {partition: first[partition] if offset is None else offset for partition, offset in decided.items()}
    if target is OffsetTarget.EARLIEST:
        return await cluster.beginnings(decided.keys())
    if target is OffsetTarget.LATEST:
        return await cluster.ends(decided.keys())
    if isinstance(target, datetime):
        return await cluster.offsets_at(decided.keys(), target)
    return dict.fromkeys(decided, int(target))


def _check_no_members(snapshot: GroupSnapshot, group_id: str) -> None:
    if snapshot.members:
        raise UnenrollError(
            f"group {group_id} has members: {', '.join(snapshot.members)}. Stop these workers first; "
            "a killed one leaves the group after UNENROLL_SESSION_TIMEOUT_MS"
        )


def _change(snapshot: GroupSnapshot, partition: TopicPartitionNumber, offset: int) -> PartitionChange:
    before = snapshot.partition_state(partition)
    if not before.first <= offset <= before.end:
        raise UsageError(
            f"--to {offset}: partition {partition.number} of {partition.topic} takes {before.first} to {before.end}"
        )
    decided = before.decided if before.decided is not None else before.committed
    return PartitionChange(
        topic=partition.topic,
        partition=partition.number,
        before=before.committed,
        offset=offset,
        skipped=max(0, offset - (before.first if decided is None else decided)),
    )


def _check_skipped(changes: Iterable[PartitionChange], options: OffsetChangeOptions) -> None:
    skipped = [change for change in changes if change.skipped]
    if skipped and not (options.skip or options.dry_run):
        where = ", ".join(f"{one.skipped} in partition {one.partition} of {one.topic}" for one in skipped[:10])
        total = plural(sum(one.skipped for one in skipped), "offset")
        raise UnenrollError(f"this would skip {total} that no worker has decided ({where}); to skip them, use --skip")


@dataclass(frozen=True, kw_only=True, slots=True)
class _OffsetSetter:
    settings: WorkerSettings
    pool: asyncpg.Pool
    cluster: KafkaAdmin
    topics: Mapping[str, KafkaTopic]

    async def run(self, changes: Sequence[PartitionChange], options: OffsetChangeOptions) -> int:
        """Set the offsets. Returns the number of the change."""
        numbers = sorted({change.partition for change in changes})
        before = await asyncio.gather(*map(self._fenced_lane, numbers))
        committed = await committed_by(self.settings, [_partition(change) for change in changes])
        after = [_changed_lane(lane, self._offsets(changes, lane), committed) for lane in before]
        group = (self.settings.topic_prefix, self.settings.group_id)
        rows = [_row(change, committed) for change in changes]
        change_id = await begin_offset_changes(self.pool, rows, group=group, by=options.by, why=options.why)
        metadata = f"unenroll/1 set by change={change_id}"
        try:
            async with offset_changes(self.pool, change_id, before, after=after):
                # This comes last: Kafka refuses it if a worker has joined the group, and then nothing has changed.
                offsets = {_partition(change): (change.offset, metadata) for change in changes}
                await self.cluster.commit(self.settings.group_id, offsets)
        except LaneLostError as error:
            raise UnenrollError(
                f"a worker started meanwhile ({error}): check `unenroll offsets show`, stop it, and try again"
            ) from error
        return change_id

    async def _fenced_lane(self, number: int) -> LaneRow:
        """Fence the lane's last owner, so that it can neither decide nor publish any more. Returns the lane."""
        key = LaneKey(topic_prefix=self.settings.topic_prefix, group_id=self.settings.group_id, partition=number)
        lane = await take_lane(self.pool, key, as_worker=False)
        async with LaneProducer.for_lane(self.settings, number, batch_bytes=_BATCH_BYTES):
            return lane

    def _offsets(self, changes: Iterable[PartitionChange], lane: LaneRow) -> dict[str, int]:
        """Return the lane's new offsets, by topic id."""
        return {self.topics[one.topic].topic_id: one.offset for one in changes if one.partition == lane.partition}


def _changed_lane(
    lane: LaneRow, offsets: Mapping[str, int], committed: Mapping[TopicPartitionNumber, CommittedOffset | None]
) -> LaneRow:
    """Return the lane with the new offsets (by topic id) and with the last published number that Kafka knows.

    An offset never goes back, so decided records stay decided. The numbers of decisions that Kafka has and a restored
    database lacks are not used again.
    """
    own = [offset for partition, offset in committed.items() if partition.number == lane.partition]
    positions = tuple(
        replace(position, offset=max(position.offset, offsets.get(position.topic_id, 0))) for position in lane.positions
    )
    published = last_published(lane.published, own)
    return replace(lane, sequence=max(lane.sequence, published), published=published, positions=positions)


def _row(change: PartitionChange, committed: Mapping[TopicPartitionNumber, CommittedOffset | None]) -> OffsetChange:
    before = committed[_partition(change)]
    return OffsetChange(
        topic=change.topic,
        partition=change.partition,
        before=before.offset if before else None,
        offset=change.offset,
    )


def _partition(change: PartitionChange) -> TopicPartitionNumber:
    return TopicPartitionNumber(topic=change.topic, number=change.partition)
