"""Where each partition stands: what Kafka has committed, what Postgres has decided, what the topic still holds."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import asyncpg

from unenroll.errors import DataLossError
from unenroll.kafka.admin import KafkaAdmin, KafkaTopic, TopicPartitionNumber, partitions_of
from unenroll.kafka.committed_offsets import CommittedOffset, last_published, lost_offsets, resume_point
from unenroll.kafka.consumer_group import GroupCoordinator, group_coordinator
from unenroll.kafka.topics import INPUTS, existing_topics
from unenroll.postgres.lanes import LaneBehind, lanes_of
from unenroll.postgres.offset_changes import OffsetChanges, latest_offset_changes
from unenroll.settings import WorkerSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionStanding:
    """One partition. `sequence` is the number that is committed beside the offset, `metadata` what else may be there.

    `goes_on_at` is where a lane would read on, None where `refused` says why it would not, or where nothing was ever
    read. `remark`: what else there is to know.
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
    goes_on_at: int | None
    refused: str | None
    remark: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneStanding:
    """A lane: its decisions, and the last one that is surely published. `gone`: no topic has its partition any more."""

    lane: int
    epoch: int
    sequence: int
    published: int
    gone: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupOffsets:
    """A group's offsets. `members` are the client ids of who is in it, `moves` what people have set, latest first."""

    topic_prefix: str
    group_id: str
    members: tuple[str, ...]
    partitions: tuple[PartitionStanding, ...]
    lanes: tuple[LaneStanding, ...]
    moves: tuple[OffsetChanges, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupSnapshot:
    """What was asked for. Committed offsets are those at one moment, and the others not before it."""

    topics: Mapping[str, KafkaTopic]
    members: tuple[str, ...]
    committed: Mapping[TopicPartitionNumber, CommittedOffset | None]
    lanes: Mapping[int, LaneBehind]
    first: Mapping[TopicPartitionNumber, int]
    end: Mapping[TopicPartitionNumber, int]

    def standing(self, place: TopicPartitionNumber) -> PartitionStanding:
        """Where this partition stands."""
        topic, at = self.topics[place.topic], self.committed[place]
        goes_on_at, refused = self._goes_on(place)
        return PartitionStanding(
            topic=place.topic,
            topic_id=topic.topic_id,
            partition=place.number,
            committed=at.offset if at else None,
            sequence=at.sequence if at else None,
            metadata=at.metadata if at else "",
            decided=self._decided(place),
            first=self.first[place],
            end=self.end[place],
            goes_on_at=goes_on_at,
            refused=refused,
            remark=self._remark(place),
        )

    def gone(self, lane: int) -> bool:
        """Whether no input topic has the lane's partition any more."""
        return all(lane >= topic.partitions for topic in self.topics.values())

    def _decided(self, place: TopicPartitionNumber) -> int | None:
        return self._known(place).get(self.topics[place.topic].topic_id)

    def _known(self, place: TopicPartitionNumber) -> dict[str, int]:
        """The lane's offsets in topics of this name, by their ids."""
        lane = self.lanes.get(place.number)
        positions = lane.row.positions if lane else ()
        return {position.topic_id: position.offset for position in positions if position.topic == place.topic}

    def _goes_on(self, place: TopicPartitionNumber) -> tuple[int | None, str | None]:
        lane, decided = self.lanes.get(place.number), self._decided(place)
        try:
            plan = resume_point(
                sequence=lane.row.sequence if lane else 0,
                published=lane.row.published if lane else 0,
                decided={} if decided is None else {place.topic: decided},
                committed={place.topic: self.committed[place]},
                topic_ids={place.topic: self.topics[place.topic].topic_id},
            )
        except DataLossError as error:
            return None, str(error)
        offset = plan.read_from[place.topic]
        if offset is None:
            return None, None
        gone = lost_offsets(place.topic, place.number, offset=offset, first=self.first[place], end=self.end[place])
        return (offset, None) if gone is None else (None, str(gone))

    def _remark(self, place: TopicPartitionNumber) -> str | None:
        at, known = self.committed[place], self._known(place)
        if known and self.topics[place.topic].topic_id not in known:
            return "the topic was deleted and made again: it is read from its first record"
        if at is None:
            return "expired in Kafka: goes on from what Postgres has decided" if known else "never read"
        if at.sequence is None:
            return "set by hand: what was decided already is read again and changes nothing"
        return None


async def group_snapshot(settings: WorkerSettings, pool: asyncpg.Pool, cluster: KafkaAdmin) -> GroupSnapshot:
    """How things are. Changes nothing. Raises OutageError and SetupError."""
    topics = await existing_topics(cluster, (settings.topic_prefix + word for word in INPUTS))
    places = partitions_of(topics.values())
    members, committed = await _said(settings, places)
    lanes = await lanes_of(pool, topic_prefix=settings.topic_prefix, group_id=settings.group_id)
    return GroupSnapshot(
        topics=topics,
        members=tuple(members),
        committed=committed,
        lanes={lane.row.partition: lane for lane in lanes},
        first=await cluster.beginnings(places),
        end=await cluster.ends(places),
    )


async def group_offsets(settings: WorkerSettings, pool: asyncpg.Pool, cluster: KafkaAdmin) -> GroupOffsets:
    """How the offsets stand. Changes nothing. Raises OutageError and SetupError."""
    seen = await group_snapshot(settings, pool, cluster)
    moves = await latest_offset_changes(pool, topic_prefix=settings.topic_prefix, group_id=settings.group_id)
    return GroupOffsets(
        topic_prefix=settings.topic_prefix,
        group_id=settings.group_id,
        members=seen.members,
        partitions=tuple(map(seen.standing, seen.committed)),
        lanes=tuple(_lanes(seen)),
        moves=tuple(moves),
    )


async def _said(
    settings: WorkerSettings, places: Collection[TopicPartitionNumber]
) -> tuple[list[str], Mapping[TopicPartitionNumber, CommittedOffset | None]]:
    async def question(
        coordinator: GroupCoordinator,
    ) -> tuple[list[str], Mapping[TopicPartitionNumber, CommittedOffset | None]]:
        return await coordinator.members(), await coordinator.committed(places)

    return await group_coordinator(settings, question)


def _lanes(seen: GroupSnapshot) -> Iterable[LaneStanding]:
    for number, lane in seen.lanes.items():
        told = [at for place, at in seen.committed.items() if place.number == number]
        yield LaneStanding(
            lane=number,
            epoch=lane.row.epoch,
            sequence=lane.row.sequence,
            published=last_published(lane.row.published, told),
            gone=seen.gone(number),
        )
