"""What is to be seen from outside: who is in the group, what it has committed, when answers became visible."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

from aiokafka import TopicPartition as Place
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined] # exported, but not said to be
    AdminClient,
    OffsetSpec,
)

_STABLE = "Stable"


class Visible:
    """Where the topics end for those who read only what is committed."""

    def __init__(self, kafka: str, topics: Iterable[str], *, partitions: int) -> None:
        self._client = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
        latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call] # the client's own
        self._asked = {TopicPartition(topic, number): latest for topic in topics for number in range(partitions)}
        self.ends = self._ends()
        self.changed_at = monotonic()

    def look(self) -> bool:
        """Whether anything became visible since the last look; `changed_at` is when that was first seen."""
        ends = self._ends()
        if ends == self.ends:
            return False
        self.ends, self.changed_at = ends, monotonic()
        return True

    def _ends(self) -> list[int]:
        found = self._client.list_offsets(self._asked, isolation_level=IsolationLevel.READ_COMMITTED)
        return [future.result().offset for future in found.values()]


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """The consumer group of a run. Asked through aiokafka, which reads what our lanes write beside their offsets."""

    admin: AIOKafkaAdminClient
    group_id: str
    topic: str

    async def members(self) -> int:
        """How many there are, 0 while they are being counted."""
        try:
            (answer,) = await self.admin.describe_consumer_groups([self.group_id])
        except KafkaError:  # a new cluster has no coordinator for a moment
            return 0
        _, _, state, _, _, members, *_ = answer.groups[0]
        return len(members) if state == _STABLE else 0

    async def committed(self, ends: Mapping[int, int]) -> bool:
        """Whether the group has committed up to these offsets."""
        wanted = [Place(self.topic, number) for number in ends]
        found = await self.admin.list_consumer_group_offsets(self.group_id, partitions=wanted)
        return all(place in found and found[place].offset >= ends[place.partition] for place in wanted)


@asynccontextmanager
async def watched(kafka: str, group_id: str, *, topic: str) -> AsyncIterator[Group]:
    """The group, until the end of the block."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        yield Group(admin=admin, group_id=group_id, topic=topic)
    finally:
        await admin.close()
