"""A lane opened: its former owner fenced, what was decided but not published made visible, its place to go on found."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import asyncpg

from unenroll.errors import DataLossError, SetupError
from unenroll.settings import Start
from unenroll.store.lanes import LaneKey, LaneRow, Position, known_topics, publications_above, reposition, take_lane
from unenroll.stream.cluster import Cluster, Partition
from unenroll.stream.coordinator import Coordinator
from unenroll.stream.producer import LaneProducer
from unenroll.stream.resume import Committed, Resume, metadata, resume
from unenroll.wire.pack import unpack
from unenroll.wire.record import Message


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """What opening a lane needs. `topic_ids` has the input topics that hold the lane's partition number."""

    pool: asyncpg.Pool
    cluster: Cluster
    coordinator: Coordinator
    key: LaneKey
    topic_ids: Mapping[str, str]
    start: Start

    async def open(self, producer: LaneProducer) -> LaneRow:
        """The lane's row, with nothing left to publish and the positions to read from.

        `producer` was started before: Kafka has fenced the former owner. Raises DataLossError, SetupError where
        a person has to act, and OutageError, LaneLostError where opening again helps.
        """
        row = await take_lane(self.pool, self.key)
        committed = await self.coordinator.committed(self._partitions())
        found = {place.topic: at for place, at in committed.items()}
        plan = resume(sequence=row.sequence, published=row.published, decided=self._decided(row), committed=found)
        lane = await self._move(row, plan)
        await self._publish(producer, lane, plan=plan, committed=found)
        return replace(lane, published=lane.sequence)

    async def _move(self, row: LaneRow, plan: Resume) -> LaneRow:
        starts = {
            topic: await self._first(topic) if offset is None else await self._checked(topic, offset)
            for topic, offset in plan.read_from.items()
        }
        positions = tuple(
            Position(topic=topic, topic_id=self.topic_ids[topic], offset=starts[topic]) for topic in sorted(starts)
        )
        lane = replace(row, positions=positions)
        if positions != row.positions:
            await reposition(self.pool, lane)
        return lane

    async def _publish(
        self, producer: LaneProducer, lane: LaneRow, *, plan: Resume, committed: Mapping[str, Committed | None]
    ) -> None:
        offsets = commits(lane)
        if {place.topic: Committed(offset=at, metadata=said) for place, (at, said) in offsets.items()} == committed:
            return
        messages: list[Message] = []
        for packed in await publications_above(self.pool, lane, plan.publish_above):
            messages.extend(unpack(packed))
        await producer.publish(messages, offsets)

    async def _first(self, topic: str) -> int:
        place = self._place(topic)
        known = topic in await known_topics(self.pool, self.key)  # a partition added to it, or the topic made again
        if known or self.start is Start.EARLIEST:
            return (await self.cluster.beginnings([place]))[place]
        if self.start is Start.LATEST:
            return (await self.cluster.ends([place]))[place]
        raise SetupError(
            f"group {self.key.group_id} never committed an offset of {topic}, partition {self.key.partition}, "
            "and UNENROLL_START is none; set it to earliest or latest"
        )

    async def _checked(self, topic: str, offset: int) -> int:
        place = self._place(topic)
        first = (await self.cluster.beginnings([place]))[place]
        end = (await self.cluster.ends([place]))[place]
        if first <= offset <= end:
            return offset
        raise DataLossError(
            f"{topic}, partition {self.key.partition}: the lane goes on at offset {offset}, but the topic holds only "
            f"{first} to {end}; records are lost, and going on would skip them in silence"
        )

    def _decided(self, row: LaneRow) -> dict[str, int]:
        return {
            position.topic: position.offset
            for position in row.positions
            if self.topic_ids.get(position.topic) == position.topic_id
        }

    def _partitions(self) -> list[Partition]:
        return [self._place(topic) for topic in sorted(self.topic_ids)]

    def _place(self, topic: str) -> Partition:
        return Partition(topic=topic, number=self.key.partition)


def commits(lane: LaneRow) -> dict[Partition, tuple[int, str]]:
    """What a transaction that publishes all of the lane's decisions commits: offsets, and the last number beside."""
    return {
        Partition(topic=position.topic, number=lane.partition): (position.offset, metadata(lane.sequence))
        for position in lane.positions
    }
