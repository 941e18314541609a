"""Show for each partition the offset in Kafka, the offset in Postgres, and where a lane would resume."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import asyncpg

from unenroll.errors import DataLossError
from unenroll.kafka.admin import KafkaAdmin, KafkaTopic, TopicPartitionNumber, partitions_of
from unenroll.kafka.committed_offsets import CommittedOffset, last_published, lost_offsets, resume_point
from unenroll.kafka.consumer_group import GroupCoordinator, group_coordinator
from unenroll.kafka.topics import INPUTS, existing_topics
from unenroll.postgres.lanes import LaneBacklog, group_lanes
from unenroll.postgres.offset_changes import OffsetChanges, latest_offset_changes
from unenroll.settings import WorkerSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionState:
    """The offsets of one partition.

    `committed` is the group's offset in Kafka; `metadata` was committed with it, and `sequence` is the decision number
    in that metadata. `decided` is the lane's offset in Postgres. The topic holds `first` (included) to `end`
    (excluded). `resumes_at` is the offset where a lane would resume; it is None if the partition was never read, or if
    the lane would refuse for the reason `refused`. `remark` is anything else that an operator should know.
    """

    topic: str
    topic_id: str
    partition: int
    committed: int | None
    sequence: int | None
    metadata: str
    decided: int | None
    first: int
    end: int
    resumes_at: int | None
    refused: str | None
    remark: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneSequence:
    """A lane: the number of its last decision, and of the last one that is known to be published.

    `gone`: no input topic has the lane's partition any more.
    """

    lane: int
    epoch: int
    sequence: int
    published: int
    gone: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupOffsets:
    """A group's offsets. `members` are client ids; `moves` are the last changes by operators, latest first."""

    topic_prefix: str
    group_id: str
    members: tuple[str, ...]
    partitions: tuple[PartitionState, ...]
    lanes: tuple[LaneSequence, ...]
    changes: tuple[OffsetChanges, ...]


async def group_offsets(settings: WorkerSettings, pool: asyncpg.Pool, cluster: KafkaAdmin) -> GroupOffsets:
    """Return the group's offsets. Changes nothing. Raises OutageError and SetupError."""
    snapshot = await group_snapshot(settings, pool, cluster)
    changes = await latest_offset_changes(pool, topic_prefix=settings.topic_prefix, group_id=settings.group_id)
    return GroupOffsets(
        topic_prefix=settings.topic_prefix,
        group_id=settings.group_id,
        members=snapshot.members,
        partitions=tuple(map(snapshot.partition_state, snapshot.committed)),
        lanes=tuple(_lanes(snapshot)),
        changes=tuple(changes),
    )


def _lanes(snapshot: "GroupSnapshot") -> Iterable[LaneSequence]:
    for number, lane in snapshot.lanes.items():
        committed = [offset for partition, offset in snapshot.committed.items() if partition.number == number]
        yield LaneSequence(
            lane=number,
            epoch=lane.row.epoch,
            sequence=lane.row.sequence,
            published=last_published(lane.row.published, committed),
            gone=snapshot.is_gone(number),
        )


async def group_snapshot(settings: WorkerSettings, pool: asyncpg.Pool, cluster: KafkaAdmin) -> "GroupSnapshot":
    """Read the group's state. Changes nothing. Raises OutageError and SetupError."""
    topics = await existing_topics(cluster, (settings.topic_prefix + topic for topic in INPUTS))
    partitions = partitions_of(topics.values())
    members, committed = await _members_and_offsets(settings, partitions)
    lanes = await group_lanes(pool, topic_prefix=settings.topic_prefix, group_id=settings.group_id)
    return GroupSnapshot(
        topics=topics,
        members=tuple(members),
        committed=committed,
        lanes={lane.row.partition: lane for lane in lanes},
        first=await cluster.beginnings(partitions),
        end=await cluster.ends(partitions),
    )


async def _members_and_offsets(
    settings: WorkerSettings, partitions: Collection[TopicPartitionNumber]
) -> tuple[list[str], Mapping[TopicPartitionNumber, CommittedOffset | None]]:
    async def read(
        coordinator: GroupCoordinator,
    ) -> tuple[list[str], Mapping[TopicPartitionNumber, CommittedOffset | None]]:
        return await coordinator.members(), await coordinator.committed(partitions)

    return await group_coordinator(settings, read)


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupSnapshot:
    """A group's state. The committed offsets are of one moment; everything else was read after it."""

    topics: Mapping[str, KafkaTopic]
    members: tuple[str, ...]
    committed: Mapping[TopicPartitionNumber, CommittedOffset | None]
    lanes: Mapping[int, LaneBacklog]
    first: Mapping[TopicPartitionNumber, int]
    end: Mapping[TopicPartitionNumber, int]

    def partition_state(self, partition: TopicPartitionNumber) -> PartitionState:
        """Return the offsets of this partition."""
        topic, committed = self.topics[partition.topic], self.committed[partition]
        resume_at, refused = self._resume_at(partition)
        return PartitionState(
            topic=partition.topic,
            topic_id=topic.topic_id,
            partition=partition.number,
            committed=committed.offset if committed else None,
            sequence=committed.sequence if committed else None,
            metadata=committed.metadata if committed else "",
            decided=self._decided(partition),
            first=self.first[partition],
            end=self.end[partition],
            resumes_at=resume_at,
            refused=refused,
            remark=self._remark(partition),
        )

    def is_gone(self, lane: int) -> bool:
        """Whether no input topic has the lane's partition any more."""
        return all(lane >= topic.partitions for topic in self.topics.values())

    def _decided(self, partition: TopicPartitionNumber) -> int | None:
        return self._decided_by_topic_id(partition).get(self.topics[partition.topic].topic_id)

    def _decided_by_topic_id(self, partition: TopicPartitionNumber) -> dict[str, int]:
        """Return the lane's offsets in all topics that ever had this name, by topic id."""
        lane = self.lanes.get(partition.number)
        positions = lane.row.positions if lane else ()
        return {position.topic_id: position.offset for position in positions if position.topic == partition.topic}

    def _resume_at(self, partition: TopicPartitionNumber) -> tuple[int | None, str | None]:
        """Return where a lane would resume, or why it would refuse."""
        topic, lane, decided = partition.topic, self.lanes.get(partition.number), self._decided(partition)
        try:
            point = resume_point(
                sequence=lane.row.sequence if lane else 0,
                published=lane.row.published if lane else 0,
                decided={} if decided is None else {topic: decided},
                committed={topic: self.committed[partition]},
                topic_ids={topic: self.topics[topic].topic_id},
            )
        except DataLossError as error:
            return None, str(error)
        offset = point.read_from[topic]
        if offset is None:
            return None, None
        first, end = self.first[partition], self.end[partition]
        lost = lost_offsets(topic, partition.number, offset=offset, first=first, end=end)
        return (offset, None) if lost is None else (None, str(lost))

    def _remark(self, partition: TopicPartitionNumber) -> str | None:
        committed, decided = self.committed[partition], self._decided_by_topic_id(partition)
        if decided and self.topics[partition.topic].topic_id not in decided:
            return "the topic was deleted and created again: a lane reads it from its first record"
        if committed is None:
            return "no offset in Kafka (expired): a lane resumes at the offset in Postgres" if decided else "never read"
        if committed.sequence is None:
            return "an operator set this offset: a lane reads decided records again and changes nothing"
        return None
