"""What a lane reads: the records of its partition number in every input topic, and only while it owns them."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from unenroll.store.lanes import LaneKey, Position
from unenroll.stream.cluster import Partition
from unenroll.stream.coordinator import Coordinator
from unenroll.stream.outage import translated
from unenroll.stream.polls import Polls
from unenroll.wire.record import Record

_ASK_AGAIN_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """Records in the order they were read, and the positions behind them."""

    records: tuple[Record, ...]
    ends: tuple[Position, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Intake:
    """A lane's view of the consumer that all lanes of the process share."""

    consumer: AIOKafkaConsumer
    polls: Polls
    coordinator: Coordinator
    client_id: str
    key: LaneKey
    topic_ids: Mapping[str, str]

    async def owned(self, stopping: asyncio.Event) -> bool:
        """Wait until the group's coordinator says that the lane is ours; False if it is to stop before.

        A resumed zombie that did not ask would fence the rightful owner.
        """
        mine = {Partition(topic=place.topic, number=place.partition) for place in self._places()}
        while not stopping.is_set():
            owners = await self.coordinator.owners()
            if all(owners.get(partition) == self.client_id for partition in mine):
                await self.polls.settled(self.key.partition)
                return not stopping.is_set()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _ASK_AGAIN_SECONDS)
        return False

    def read_from(self, positions: Iterable[Position]) -> None:
        """Read on from these positions."""
        with translated("reading"):
            for position in positions:
                place = TopicPartition(position.topic, self.key.partition)
                self.consumer.seek(place, position.offset)
                self.consumer.resume(place)

    async def take(self, stopping: asyncio.Event) -> Taken | None:
        """What there is, perhaps nothing; None once the lane is to stop. Raises OutageError."""
        places = self._places()
        with translated("reading"):
            found = await self.polls.take(places, stopping)
            if found is None:
                return None
            ends = [await self._behind(place) for place in places]
        return Taken(records=tuple(_record(one) for held in found.values() for one in held), ends=tuple(ends))

    async def _behind(self, place: TopicPartition) -> Position:
        offset: int = await self.consumer.position(place)
        return Position(topic=place.topic, topic_id=self.topic_ids[place.topic], offset=offset)

    def _places(self) -> list[TopicPartition]:
        return [TopicPartition(topic, self.key.partition) for topic in sorted(self.topic_ids)]


def _record(record: ConsumerRecord) -> Record:
    return Record(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
    )
