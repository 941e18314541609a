"""What a lane reads: the records of its partition number in every input topic, and only while it owns them."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from unenroll.settings import KafkaSettings
from unenroll.store.lanes import LaneKey, Position
from unenroll.stream.cluster import Partition, Topic
from unenroll.stream.coordinator import Coordinator
from unenroll.stream.opening import position_in
from unenroll.stream.outage import translated
from unenroll.stream.polls import Polls
from unenroll.stream.unreadable import read_without_headers
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

    settings: KafkaSettings
    consumer: AIOKafkaConsumer
    polls: Polls
    coordinator: Coordinator
    client_id: str
    key: LaneKey
    topics: Mapping[str, Topic]

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

    async def take(self, positions: Iterable[Position], stopping: asyncio.Event) -> Taken | None:
        """What there is from these positions on, perhaps nothing; None once the lane is to stop. Raises OutageError.

        `positions` are where the last call ended, or where `read_from` began.
        """
        with translated("reading"):
            try:
                found = await self.polls.take(self._places(), stopping)
            except UnicodeDecodeError:  # what the client had taken by then is lost to us
                self.read_from(positions)
                return await self._take_one(stopping)
            if found is None:
                return None
            return await self._taken(_record(one) for held in found.values() for one in held)

    async def _take_one(self, stopping: asyncio.Event) -> Taken | None:
        """One record, the first that any of the partitions holds, even if it is the one that cannot be read."""
        for place in self._places():
            try:
                found = await self.polls.take([place], stopping, most_records=1)
            except UnicodeDecodeError:
                return await self._taken([await self._unreadable(place)])
            if found is None:
                return None
            if found:
                return await self._taken(_record(one) for one in found[place])
        return await self._taken([])

    async def _unreadable(self, place: TopicPartition) -> Record:
        offset: int = await self.consumer.position(place)
        record = await read_without_headers(self.settings, topic=place.topic, partition=place.partition, offset=offset)
        self.consumer.seek(place, record.offset + 1)
        return record

    async def _taken(self, records: Iterable[Record]) -> Taken:
        return Taken(records=tuple(records), ends=tuple([await self._behind(place) for place in self._places()]))

    async def _behind(self, place: TopicPartition) -> Position:
        offset: int = await self.consumer.position(place)
        return position_in(self.topics[place.topic], offset)

    def _places(self) -> list[TopicPartition]:
        return [TopicPartition(topic, self.key.partition) for topic in sorted(self.topics)]


def _record(record: ConsumerRecord) -> Record:
    return Record(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
    )
