"""What both per-message workers do with a request: one transaction, then its answers, then its offset noted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import msgpack
from aiokafka import AIOKafkaProducer, TopicPartition

from benchmarks import peer_store
from benchmarks.expected import definitions, told_of
from benchmarks.workload import Workload
from unenroll.core.decide import Decision, decide
from unenroll.core.events import UnenrollRequested
from unenroll.settings import WorkerSettings
from unenroll.wire.decode import ReceivedEvent, decode
from unenroll.wire.topics import CARRIES, Message, Record, Topic

_COMMIT_SECONDS = 1.0
_TAKES = CARRIES[Topic.REQUESTS]

Commit = Callable[[dict[TopicPartition, int]], Awaitable[Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class PerMessage:
    """A connection for each partition, and the producer that they share."""

    settings: WorkerSettings
    workload: Workload
    producer: AIOKafkaProducer
    _connections: dict[int, asyncpg.Connection] = field(default_factory=dict)

    async def handle(self, record: Record) -> None:
        """Decide the request and publish its answers, all of them acknowledged."""
        received = decode(record, _TAKES)
        if not isinstance(received, ReceivedEvent) or not isinstance(received.event, UnenrollRequested):
            raise TypeError(f"not a request: {received}")
        messages = await self._decide(await self._connection(record.partition), received.event)
        sent = [
            await self.producer.send(
                self.settings.topic_prefix + message.topic,
                key=message.key,
                value=message.value,
                headers=list(message.headers),
            )
            for message in messages
        ]
        for future in sent:
            await future

    async def _decide(self, connection: asyncpg.Connection, request: UnenrollRequested) -> list[Message]:
        async with connection.transaction():
            before = await peer_store.lock(connection, (request.customer_id, request.target_id))
            decided = decide(request, definitions(self.workload), before)
            if not isinstance(decided, Decision):
                raise TypeError(f"not decided: {decided}")
            messages = list(told_of(self.workload, request, decided))
            if not await peer_store.decided_now(connection, request, decided, answers=_packed(messages)):
                return _unpacked(await peer_store.answers_before(connection, request))
            await peer_store.save(connection, request, before, decided=decided)
        return messages

    async def _connection(self, partition: int) -> asyncpg.Connection:
        if partition not in self._connections:
            url = self.settings.database_url.get_secret_value()
            self._connections[partition] = await asyncpg.connect(url)
        return self._connections[partition]


@dataclass(kw_only=True, slots=True)
class Progress:
    """The offsets behind what was published, committed once a second rather than for each message."""

    _done: dict[TopicPartition, int] = field(default_factory=dict)

    def note(self, place: TopicPartition, offset: int) -> None:
        """The record at this offset is done."""
        self._done[place] = offset + 1

    async def commit_now_and_then(self, commit: Commit) -> None:
        """Commit for ever."""
        while True:
            await asyncio.sleep(_COMMIT_SECONDS)
            done, self._done = self._done, {}
            if done:
                await commit(done)


@asynccontextmanager
async def per_message(settings: WorkerSettings, workload: Workload) -> AsyncIterator[PerMessage]:
    """What handles messages, until the end of the block."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers, acks="all", linger_ms=0)
    await producer.start()
    try:
        yield PerMessage(settings=settings, workload=workload, producer=producer)
    finally:
        await producer.stop()


def record_of(taken: Any) -> Record:  # noqa: ANN401 - the client carries no types
    """The client's record as ours."""
    return Record(
        topic=taken.topic,
        partition=taken.partition,
        offset=taken.offset,
        key=taken.key,
        value=taken.value,
        headers=tuple(taken.headers),
    )


def _packed(messages: list[Message]) -> bytes:
    packed: bytes = msgpack.packb([(one.topic, one.key, one.value, one.headers) for one in messages])
    return packed


def _unpacked(packed: bytes) -> list[Message]:
    rows = msgpack.unpackb(packed, use_list=False)
    return [Message(topic=topic, key=key, value=value, headers=headers) for topic, key, value, headers in rows]
