"""A lane opened: its former owner fenced, what was decided but not published made visible, its place to go on found."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

import asyncpg
import structlog

from unenroll.errors import LaneLostError, OutageError, SetupError
from unenroll.kafka.admin import KafkaAdmin, KafkaTopic, TopicPartitionNumber
from unenroll.kafka.committed_offsets import (
    CommittedOffset,
    ResumePoint,
    last_published,
    lost_offsets,
    metadata,
    resume_point,
)
from unenroll.kafka.consumer_group import GroupCoordinator, committed_by
from unenroll.kafka.topics import INPUTS, check_same
from unenroll.kafka.transactional_producer import LaneProducer
from unenroll.postgres.lanes import (
    LaneKey,
    LaneRow,
    check_held,
    has_read,
    lanes_of,
    leave_lane,
    publications_above,
    reposition,
    take_lane,
)
from unenroll.postgres.outbox import unpack
from unenroll.settings import StartPosition, WorkerSettings
from unenroll.wire.topics import Message, Position
from unenroll.wire.topics import Topic as Word


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneRecovery:
    """What opening a lane needs. `topics` are the input topics that have the lane's partition number."""

    pool: asyncpg.Pool
    cluster: KafkaAdmin
    coordinator: GroupCoordinator
    key: LaneKey
    topics: Mapping[str, KafkaTopic]
    start: StartPosition

    async def take(self) -> LaneRow:
        """The lane's row, which the former owner cannot move any more. Raises OutageError and LaneLostError."""
        return await take_lane(self.pool, self.key)

    async def open(self, row: LaneRow, producer: LaneProducer) -> LaneRow:
        """The lane's row, with nothing left to publish and the positions to read from.

        `producer` was started after the row was taken, so that only who still holds the row can have fenced everybody
        who held it before. Raises DataLossError, SetupError where a person has to act, and OutageError, LaneLostError
        where opening again helps.
        """
        await check_same(self.cluster, self.topics)
        committed = await self.coordinator.committed(self._partitions())
        await check_held(self.pool, row)  # else the row may be older than what is committed
        found = {place.topic: at for place, at in committed.items()}
        plan = resume_point(
            sequence=row.sequence,
            published=row.published,
            decided=self._decided(row),
            committed=found,
            topic_ids={name: topic.topic_id for name, topic in self.topics.items()},
        )
        lane = await self._move(row, plan)
        await self._publish(producer, lane, plan=plan, committed=found)
        return replace(lane, published=lane.sequence)

    async def _move(self, row: LaneRow, plan: ResumePoint) -> LaneRow:
        starts = {
            topic: await self._first(topic) if offset is None else await self._checked(topic, offset)
            for topic, offset in plan.read_from.items()
        }
        positions = tuple(self._position(row, topic, starts[topic]) for topic in sorted(starts))
        lane = replace(row, positions=positions)
        if positions != row.positions:
            await reposition(self.pool, lane)
        return lane

    def _position(self, row: LaneRow, topic: str, offset: int) -> Position:
        """The place, with how many partitions the topic had when the lane first read it.

        That number tells a lane of a later partition that it was added, however many lanes know of it by now.
        """
        now = position_in(self.topics[topic], offset)
        first = [known.partitions for known in row.positions if known.topic_id == now.topic_id]
        return replace(now, partitions=min([now.partitions, *first]))

    async def _publish(
        self,
        producer: LaneProducer,
        lane: LaneRow,
        *,
        plan: ResumePoint,
        committed: Mapping[str, CommittedOffset | None],
    ) -> None:
        offsets = commits(lane)
        if {
            place.topic: CommittedOffset(offset=at, metadata=said) for place, (at, said) in offsets.items()
        } == committed:
            return
        messages: list[Message] = []
        for packed in await publications_above(self.pool, lane, plan.publish_above):
            messages.extend(unpack(packed))
        await producer.publish(messages, offsets)

    async def _first(self, topic: str) -> int:
        place = self._place(topic)
        # A partition that was added, or a topic that was made again: nothing of it may be skipped.
        added = await has_read(self.pool, self.key, topic, topic_id=self.topics[topic].topic_id)
        if added or self.start is StartPosition.EARLIEST:
            return (await self.cluster.beginnings([place]))[place]
        if self.start is StartPosition.LATEST:
            return (await self.cluster.ends([place]))[place]
        raise SetupError(
            f"group {self.key.group_id} never committed an offset of {topic}, partition {self.key.partition}, "
            "and UNENROLL_START is none; set it to earliest or latest"
        )

    async def _checked(self, topic: str, offset: int) -> int:
        place = self._place(topic)
        first = (await self.cluster.beginnings([place]))[place]
        end = (await self.cluster.ends([place]))[place]
        gone = lost_offsets(topic, self.key.partition, offset=offset, first=first, end=end)
        if gone is not None:
            raise gone
        return offset

    def _decided(self, row: LaneRow) -> dict[str, int]:
        return {
            position.topic: position.offset
            for position in row.positions
            if position.topic in self.topics and self.topics[position.topic].topic_id == position.topic_id
        }

    def _partitions(self) -> list[TopicPartitionNumber]:
        return [self._place(topic) for topic in sorted(self.topics)]

    def _place(self, topic: str) -> TopicPartitionNumber:
        return TopicPartitionNumber(topic=topic, number=self.key.partition)


def position_in(topic: KafkaTopic, offset: int) -> Position:
    """The place in the lane's partition of the topic."""
    return Position(topic=topic.name, topic_id=topic.topic_id, partitions=topic.partitions, offset=offset)


def commits(lane: LaneRow) -> dict[TopicPartitionNumber, tuple[int, str]]:
    """What a transaction that publishes all of the lane's decisions commits: offsets, and the last number beside."""
    return {
        TopicPartitionNumber(topic=position.topic, number=lane.partition): (
            position.offset,
            metadata(lane.sequence, position.topic_id),
        )
        for position in lane.positions
    }


log = structlog.get_logger()

_TRIES = 5
_SECONDS_BETWEEN = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class OrphanedLanes:
    """What it takes to publish it. `topics` are all of ours, by full name."""

    settings: WorkerSettings
    pool: asyncpg.Pool
    topics: Mapping[str, KafkaTopic]
    batch_bytes: int

    async def publish(self) -> None:
        """Publish what is left, once. Raises OutageError, LaneLostError and SetupError.

        Another worker that starts now does the same: one of the two is overtaken, and looks again.
        """
        for left in range(_TRIES, 0, -1):
            try:
                for number in await self._lanes():
                    await self._publish(number)
            except (OutageError, LaneLostError):
                if left == 1:
                    raise
                await asyncio.sleep(_SECONDS_BETWEEN)
            else:
                return

    async def _lanes(self) -> list[int]:
        names = [self.settings.topic_prefix + word for word in INPUTS]
        most = max(self.topics[name].partitions for name in names)
        lanes = await lanes_of(self.pool, topic_prefix=self.settings.topic_prefix, group_id=self.settings.group_id)
        return [lane.row.partition for lane in lanes if lane.row.partition >= most and lane.unpublished]

    async def _publish(self, number: int) -> None:
        prefix, group_id = self.settings.topic_prefix, self.settings.group_id
        row = await take_lane(
            self.pool, LaneKey(topic_prefix=prefix, group_id=group_id, partition=number), to_work=False
        )
        own = self.settings.model_copy(update={"group_id": f"{group_id}.lane-{number}"})
        note = TopicPartitionNumber(topic=prefix + Word.DEAD_LETTERS, number=0)
        lane = LaneProducer.of_lane(self.settings, number, batch_bytes=self.batch_bytes, group_id=own.group_id)
        async with lane as producer:  # from here on, no former owner can commit anything more
            told = {
                **await committed_by(own, [note]),
                **await committed_by(
                    self.settings, [TopicPartitionNumber(topic=prefix + word, number=number) for word in INPUTS]
                ),
            }
            messages = await self._messages(row, last_published(row.published, told.values()))
            await producer.publish(messages, {note: (0, metadata(row.sequence))})
        await leave_lane(self.pool, replace(row, published=row.sequence))
        log.warning("orphaned_lane_published", lane=number, published=len(messages))

    async def _messages(self, row: LaneRow, published: int) -> list[Message]:
        return [message for packed in await publications_above(self.pool, row, published) for message in unpack(packed)]
