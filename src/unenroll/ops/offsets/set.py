"""Offsets set by a person: nobody reads meanwhile, nothing is skipped unsaid, and who did it why is kept."""

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
from unenroll.postgres.pool import check_tables, connected
from unenroll.settings import WorkerSettings


class OffsetTarget(StrEnum):
    """An end of a topic, or up to where Postgres has decided: of what it never decided, the earliest record."""

    EARLIEST = "earliest"
    LATEST = "latest"
    DECIDED = "decided"


Target = OffsetTarget | int | datetime
"""An end of the topic, where the database stands, an offset, or the first record that was written then or later."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionChoice:
    """Which partitions are meant: of these topics, by their full names, and of these numbers, or all if empty."""

    topics: frozenset[str] = frozenset()
    numbers: frozenset[int] = frozenset()

    def takes(self, place: TopicPartitionNumber) -> bool:
        """Whether the partition is meant."""
        return (not self.topics or place.topic in self.topics) and (not self.numbers or place.number in self.numbers)


async def offsets_of(
    cluster: KafkaAdmin, target: Target, places: Mapping[TopicPartitionNumber, int | None]
) -> dict[TopicPartitionNumber, int]:
    """The offset that the target is in each partition, of which is known up to where it is decided.

    Raises OutageError and SetupError.
    """
    if target is OffsetTarget.DECIDED:
        beginnings = await cluster.beginnings(places.keys())
        return {place: beginnings[place] if at is None else at for place, at in places.items()}
    if target is OffsetTarget.EARLIEST:
        return await cluster.beginnings(places.keys())
    if target is OffsetTarget.LATEST:
        return await cluster.ends(places.keys())
    if isinstance(target, datetime):
        return await cluster.at(places.keys(), target)
    return dict.fromkeys(places, int(target))


@dataclass(frozen=True, kw_only=True, slots=True)
class OffsetChangeOptions:
    """Where offsets are to be set, by whom and why. `skip`: even where records are left out that nobody decided."""

    chosen: PartitionChoice
    target: Target
    by: str
    why: str
    skip: bool = False
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionChange:
    """One partition's offset, before and now. `skipped`: so many offsets behind the last decided one are left out."""

    topic: str
    partition: int
    before: int | None
    offset: int
    skipped: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OffsetsResult:
    """What was set, or of a dry run would be. `move_id` is the number of the trace that is kept, None of a dry run."""

    dry_run: bool
    move_id: int | None
    places: tuple[PartitionChange, ...]


_ANY_BYTES = 1_000_000  # nothing is sent


async def set_offsets(settings: WorkerSettings, order: OffsetChangeOptions) -> OffsetsResult:
    """Set them. Raises UnenrollError where a worker is alive or records would be left out unsaid, UsageError.

    Raises OutageError and SetupError. Whatever breaks it off: to do it again helps.
    """
    cluster = KafkaAdmin(settings)
    async with connected(settings.database_url, connections=2) as pool:
        await check_tables(pool)
        seen = await group_snapshot(settings, pool, cluster)
        _check_alone(seen, settings.group_id)
        places = [place for place in seen.committed if order.chosen.takes(place)]
        if not places:
            raise UsageError("no partition of the input topics is meant: see `unenroll offsets show`")
        wanted = await offsets_of(cluster, order.target, {place: seen.standing(place).decided for place in places})
        planned = [_planned(seen, place, wanted[place]) for place in places]
        _check_skipped(planned, order)
        setting = _Setting(settings=settings, pool=pool, cluster=cluster, topics=seen.topics)
        move_id = None if order.dry_run else await setting.run(planned, order)
    return OffsetsResult(dry_run=order.dry_run, move_id=move_id, places=tuple(planned))


def _check_alone(seen: GroupSnapshot, group_id: str) -> None:
    if seen.members:
        raise UnenrollError(
            f"group {group_id} has members: {', '.join(seen.members)}; stop them first. "
            "One that was killed leaves after UNENROLL_SESSION_TIMEOUT_MS"
        )


def _planned(seen: GroupSnapshot, place: TopicPartitionNumber, offset: int) -> PartitionChange:
    standing = seen.standing(place)
    if not standing.first <= offset <= standing.end:
        raise UsageError(
            f"{place.topic}, partition {place.number}, holds offsets {standing.first} to {standing.end}: "
            f"there is no {offset}"
        )
    reached = standing.decided if standing.decided is not None else standing.committed
    return PartitionChange(
        topic=place.topic,
        partition=place.number,
        before=standing.committed,
        offset=offset,
        skipped=max(0, offset - (standing.first if reached is None else reached)),
    )


def _check_skipped(planned: Iterable[PartitionChange], order: OffsetChangeOptions) -> None:
    skipped = [place for place in planned if place.skipped]
    if skipped and not (order.skip or order.dry_run):
        told = ", ".join(f"{place.skipped} of {place.topic}, partition {place.partition}" for place in skipped[:10])
        raise UnenrollError(f"this would leave out offsets that nobody has decided ({told}); if that is meant: --skip")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Setting:
    settings: WorkerSettings
    pool: asyncpg.Pool
    cluster: KafkaAdmin
    topics: Mapping[str, KafkaTopic]

    async def run(self, planned: Sequence[PartitionChange], order: OffsetChangeOptions) -> int:
        """The number of the trace."""
        numbers = sorted({place.partition for place in planned})
        before = await asyncio.gather(*map(self._fenced, numbers))
        committed = await self._committed(planned)
        after = [_moved(lane, self._reached(planned, lane), committed) for lane in before]
        asked = [_place(place, committed) for place in planned]
        group = (self.settings.topic_prefix, self.settings.group_id)
        move_id = await begin_offset_changes(self.pool, asked, group=group, by=order.by, why=order.why)
        said = f"unenroll/1 set by move={move_id}"
        try:
            async with offset_changes(self.pool, move_id, before, after=after):
                # The last step: Kafka turns it away if anybody has joined the group, and then nothing has happened.
                offsets = {_partition(place): (place.offset, said) for place in planned}
                await self.cluster.commit(self.settings.group_id, offsets)
        except LaneLostError as lost:
            raise UnenrollError(f"a worker came in between ({lost}): look with `unenroll offsets show`") from lost
        return move_id

    async def _fenced(self, number: int) -> LaneRow:
        """The lane, whose last owner can neither decide nor publish any more. What it had under way is ended."""
        key = LaneKey(topic_prefix=self.settings.topic_prefix, group_id=self.settings.group_id, partition=number)
        lane = await take_lane(self.pool, key, to_work=False)
        async with LaneProducer.of_lane(self.settings, number, batch_bytes=_ANY_BYTES):
            return lane

    def _reached(self, planned: Iterable[PartitionChange], lane: LaneRow) -> dict[str, int]:
        return {
            self.topics[place.topic].topic_id: place.offset for place in planned if place.partition == lane.partition
        }

    async def _committed(
        self, planned: Iterable[PartitionChange]
    ) -> Mapping[TopicPartitionNumber, CommittedOffset | None]:
        return await committed_by(self.settings, [_partition(place) for place in planned])


def _moved(
    lane: LaneRow, reached: Mapping[str, int], committed: Mapping[TopicPartitionNumber, CommittedOffset | None]
) -> LaneRow:
    """The lane, which has learned what it published, and decides nothing before offsets `reached`, by topic id.

    Numbers that decisions had which the database does not know any more are not given again.
    """
    told = [at for place, at in committed.items() if place.number == lane.partition]
    positions = tuple(
        replace(position, offset=max(position.offset, reached.get(position.topic_id, 0))) for position in lane.positions
    )
    published = last_published(lane.published, told)
    return replace(lane, sequence=max(lane.sequence, published), published=published, positions=positions)


def _place(place: PartitionChange, committed: Mapping[TopicPartitionNumber, CommittedOffset | None]) -> OffsetChange:
    at = committed[_partition(place)]
    return OffsetChange(
        topic=place.topic, partition=place.partition, before=at.offset if at else None, offset=place.offset
    )


def _partition(place: PartitionChange) -> TopicPartitionNumber:
    return TopicPartitionNumber(topic=place.topic, number=place.partition)
