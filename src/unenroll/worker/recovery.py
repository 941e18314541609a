"""Opens a lane after its former owner: publishes the decisions that Kafka lacks, and finds the offsets to resume at.

docs/guarantees.md has the table of cases.
"""

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
from unenroll.kafka.topics import INPUTS, check_not_recreated
from unenroll.kafka.transactional_producer import LaneProducer
from unenroll.postgres.lanes import (
    LaneKey,
    LaneRow,
    check_lane,
    group_lanes,
    has_read,
    publications_above,
    release_lane,
    reposition,
    take_lane,
)
from unenroll.postgres.outbox import unpack
from unenroll.settings import StartPosition, WorkerSettings
from unenroll.wire.topics import Message, Position
from unenroll.wire.topics import Topic as Word
from unenroll.worker.transaction import offsets_to_commit

log = structlog.get_logger()

_ORPHAN_TRIES = 5
_SECONDS_BETWEEN_TRIES = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneRecovery:
    """Opens one lane. `topics` are the input topics that have the lane's partition number, by full name."""

    pool: asyncpg.Pool
    cluster: KafkaAdmin
    coordinator: GroupCoordinator
    key: LaneKey
    topics: Mapping[str, KafkaTopic]
    start: StartPosition

    async def take(self) -> LaneRow:
        """Take the lane's row, so that the former owner cannot decide any more. Raises OutageError, LaneLostError."""
        return await take_lane(self.pool, self.key)

    async def open(self, row: LaneRow, producer: LaneProducer) -> LaneRow:
        """Publish what was decided and not published. Returns the lane with the positions to read from.

        The producer has to be started after the row was taken: then the worker that holds the row is also the one that
        has fenced the producers of all former owners.

        Raises DataLossError and SetupError where a person has to act, OutageError and LaneLostError where it helps to
        open the lane again.
        """
        await check_not_recreated(self.cluster, self.topics)
        partitions = [self._partition(topic) for topic in sorted(self.topics)]
        committed = {
            partition.topic: offset for partition, offset in (await self.coordinator.committed(partitions)).items()
        }
        await check_lane(self.pool, row)  # a new owner may have committed more than this row knows
        resume = resume_point(
            sequence=row.sequence,
            published=row.published,
            decided=self._decided_offsets(row),
            committed=committed,
            topic_ids={name: topic.topic_id for name, topic in self.topics.items()},
        )
        lane = await self._reposition(row, resume)
        await self._publish(producer, lane, resume=resume, committed=committed)
        return replace(lane, published=lane.sequence)

    def _decided_offsets(self, row: LaneRow) -> dict[str, int]:
        """The offset up to which the lane has decided, by topic; without topics that were deleted since."""
        return {
            position.topic: position.offset
            for position in row.positions
            if position.topic in self.topics and self.topics[position.topic].topic_id == position.topic_id
        }

    async def _reposition(self, row: LaneRow, resume: ResumePoint) -> LaneRow:
        positions = tuple([await self._position(row, topic, resume.read_from[topic]) for topic in sorted(self.topics)])
        lane = replace(row, positions=positions)
        if positions != row.positions:
            await reposition(self.pool, lane)
        return lane

    async def _position(self, row: LaneRow, topic: str, offset: int | None) -> Position:
        """The position to read from, with the number of partitions that the topic had when the lane first read it.

        By that number, the lane of a partition that is added later finds that the partition is new.
        """
        start = await self._start_offset(topic) if offset is None else await self._check_offset(topic, offset)
        now = position_in(self.topics[topic], start)
        first = [position.partitions for position in row.positions if position.topic_id == now.topic_id]
        return replace(now, partitions=min([now.partitions, *first]))

    async def _start_offset(self, topic: str) -> int:
        """Where to start in a partition that the lane has never read."""
        partition = self._partition(topic)
        # The group reads a new partition, or a topic that was deleted and made again, from its beginning.
        is_new = await has_read(self.pool, self.key, topic, topic_id=self.topics[topic].topic_id)
        if is_new or self.start is StartPosition.EARLIEST:
            return (await self.cluster.beginnings([partition]))[partition]
        if self.start is StartPosition.LATEST:
            return (await self.cluster.ends([partition]))[partition]
        raise SetupError(
            f"group {self.key.group_id} has no committed offset of {topic}, partition {self.key.partition}, "
            "and UNENROLL_START is none: set it to earliest or latest"
        )

    async def _check_offset(self, topic: str, offset: int) -> int:
        partition = self._partition(topic)
        first = (await self.cluster.beginnings([partition]))[partition]
        end = (await self.cluster.ends([partition]))[partition]
        lost = lost_offsets(topic, self.key.partition, offset=offset, first=first, end=end)
        if lost is not None:
            raise lost
        return offset

    async def _publish(
        self,
        producer: LaneProducer,
        lane: LaneRow,
        *,
        resume: ResumePoint,
        committed: Mapping[str, CommittedOffset | None],
    ) -> None:
        offsets = offsets_to_commit(lane)
        if committed == {
            partition.topic: CommittedOffset(offset=offset, metadata=text)
            for partition, (offset, text) in offsets.items()
        }:
            return
        await producer.publish(await _messages_above(self.pool, lane, resume.publish_above), offsets)

    def _partition(self, topic: str) -> TopicPartitionNumber:
        return TopicPartitionNumber(topic=topic, number=self.key.partition)


async def _messages_above(pool: asyncpg.Pool, lane: LaneRow, sequence: int) -> list[Message]:
    """The messages of all decisions of the lane after this number."""
    return [message for packed in await publications_above(pool, lane, sequence) for message in unpack(packed)]


def position_in(topic: KafkaTopic, offset: int) -> Position:
    """This offset as a position in the topic."""
    return Position(topic=topic.name, topic_id=topic.topic_id, partitions=topic.partitions, offset=offset)


@dataclass(frozen=True, kw_only=True, slots=True)
class OrphanedLanes:
    """Publishes what is left of lanes whose partition does not exist any more. `topics` are all topics by full name.

    A topic has fewer partitions than before only if somebody deleted it and made it again.
    """

    settings: WorkerSettings
    pool: asyncpg.Pool
    topics: Mapping[str, KafkaTopic]
    batch_bytes: int

    async def publish(self) -> None:
        """Publish the decisions that are left. Raises OutageError, LaneLostError and SetupError.

        Another worker that starts at the same time does the same. One of the two loses the lane and tries again.
        """
        for tries_left in range(_ORPHAN_TRIES, 0, -1):
            try:
                for number in await self._numbers():
                    await self._publish(number)
            except (OutageError, LaneLostError):
                if tries_left == 1:
                    raise
                await asyncio.sleep(_SECONDS_BETWEEN_TRIES)
            else:
                return

    async def _numbers(self) -> list[int]:
        prefix = self.settings.topic_prefix
        partitions = max(self.topics[prefix + word].partitions for word in INPUTS)
        lanes = await group_lanes(self.pool, topic_prefix=prefix, group_id=self.settings.group_id)
        return [lane.row.partition for lane in lanes if lane.row.partition >= partitions and lane.unpublished]

    async def _publish(self, number: int) -> None:
        """Publish what the lane has decided.

        Kafka cannot commit an offset of a partition that does not exist. So the lane commits its number as an offset of
        topic dead-letters, in a consumer group of its own.
        """
        prefix, group_id = self.settings.topic_prefix, self.settings.group_id
        key = LaneKey(topic_prefix=prefix, group_id=group_id, partition=number)
        row = await take_lane(self.pool, key, as_worker=False)
        own = self.settings.model_copy(update={"group_id": f"{group_id}.lane-{number}"})
        own_partition = TopicPartitionNumber(topic=prefix + Word.DEAD_LETTERS, number=0)
        partitions = [TopicPartitionNumber(topic=prefix + word, number=number) for word in INPUTS]
        new_producer = LaneProducer.for_lane(self.settings, number, batch_bytes=self.batch_bytes, group_id=own.group_id)
        async with new_producer as producer:  # fences the former owner, so the committed offsets are final
            committed = {
                **await committed_by(own, [own_partition]),
                **await committed_by(self.settings, partitions),
            }
            messages = await _messages_above(self.pool, row, last_published(row.published, committed.values()))
            await producer.publish(messages, {own_partition: (0, metadata(row.sequence))})
        await release_lane(self.pool, replace(row, published=row.sequence))
        log.warning("orphaned_lane_published", lane=number, published=len(messages))
