"""The transactional producer of a lane: it publishes messages and offsets together."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from itertools import chain
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import OffsetAndMetadata

from unenroll.errors import OutageError, Server
from unenroll.kafka.admin import TopicPartitionNumber
from unenroll.kafka.aiokafka_internals import (
    begin_transactions_sooner,
    call_on_commit_request,
    client_of,
    raise_transaction_error,
)
from unenroll.kafka.config import for_aiokafka, reload_credentials, stop_quietly
from unenroll.kafka.errors import kafka_errors
from unenroll.settings import KafkaSettings, WorkerSettings
from unenroll.wire.topics import Message

_START_SECONDS = 15.0
_TRANSACTION_SECONDS = 10.0
_SLOWEST_BYTES_PER_SECOND = 700_000
_LARGE_BYTES = 1024 * 1024
_MAX_TRANSACTION_SECONDS = 55.0
_STOP_SECONDS = 2.0
_BATCH_BYTES = 512 * 1024
_TRANSACTION_TIMEOUT_MS = 60_000  # for 28 MiB, the largest batch, at the slowest rate
_REQUEST_TIMEOUT_MS = 8_000
_RETRY_BACKOFF_MS = 20

MessagesByPartition = Mapping[TopicPartitionNumber, Sequence[Message]]
Offsets = Mapping[TopicPartitionNumber, tuple[int, str]]
"""The offsets to commit, and their metadata."""


class LaneProducer:
    """A lane's producer. When it starts, it fences the lane's previous producer.

    After any exception it must not be used again: the outcome of the transaction is unknown. Producers that share the
    lock `large_publications` publish what is larger than 1 MiB one after the other: a quota of the broker may apply to
    all of them together.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        transactional_id: str,
        group_id: str,
        batch_bytes: int,
        large_publications: asyncio.Lock | None = None,
    ) -> None:
        self._prefix = settings.topic_prefix
        self._group_id = group_id
        self._large_publications = large_publications or asyncio.Lock()
        self._partition_of = DefaultPartitioner()
        self._producer = AIOKafkaProducer(
            **for_aiokafka(settings),
            transactional_id=transactional_id,
            transaction_timeout_ms=_TRANSACTION_TIMEOUT_MS,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            retry_backoff_ms=_RETRY_BACKOFF_MS,
            max_batch_size=min(batch_bytes, _BATCH_BYTES),
        )
        self._commit_requests = 0
        reload_credentials(settings, client_of(self._producer))
        call_on_commit_request(self._producer, self._count_commit_request)
        begin_transactions_sooner(self._producer)

    @classmethod
    def for_lane(
        cls,
        settings: WorkerSettings,
        number: int,
        *,
        batch_bytes: int,
        group_id: str | None = None,
        large_publications: asyncio.Lock | None = None,
    ) -> Self:
        """Return the producer of this lane. `group_id` is the group of the offsets; None: the group of the settings."""
        return cls(
            settings,
            transactional_id=f"{settings.topic_prefix}:{settings.group_id}:{number}",
            group_id=group_id or settings.group_id,
            batch_bytes=batch_bytes,
            large_publications=large_publications,
        )

    async def __aenter__(self) -> Self:
        """Fence the previous producer; Kafka ends its open transaction. Raises OutageError or SetupError."""
        try:
            with kafka_errors("starting a transactional producer"):
                async with asyncio.timeout(_START_SECONDS):
                    await self._producer.start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the producer, whatever state it is in."""
        await self._stop()

    async def publish(self, messages: Sequence[Message], offsets: Offsets) -> None:
        """Publish the messages and commit the offsets in one transaction. The key of a message selects the partition.

        Raises OutageError and SetupError; then it is unknown whether the transaction is committed.
        """
        size = _size(messages)
        async with self._large_publications if size > _LARGE_BYTES else nullcontext():
            with kafka_errors("publishing a batch"):
                async with asyncio.timeout(_transaction_seconds(size)):
                    await self._transact(await self._by_partition(messages), offsets)

    async def publish_to_partitions(self, messages: MessagesByPartition, offsets: Offsets) -> None:
        """Do the same with messages whose partitions are given."""
        with kafka_errors("publishing a batch"):
            async with asyncio.timeout(_transaction_seconds(_size(chain.from_iterable(messages.values())))):
                await self._transact(messages, offsets)

    async def _transact(self, messages: MessagesByPartition, offsets: Offsets) -> None:
        self._commit_requests = 0
        await self._producer.begin_transaction()
        sends = [future for place, batch in messages.items() for future in await self._send(place, batch)]
        # Kafka delays offsets that are sent beside records, and a commit does not fail if a record failed.
        await self._wait_for(sends)
        await self._producer.send_offsets_to_transaction(
            {
                TopicPartition(place.topic, place.number): OffsetAndMetadata(offset, metadata)
                for place, (offset, metadata) in offsets.items()
            },
            self._group_id,
        )
        await self._producer.commit_transaction()
        if self._commit_requests != 1:
            raise OutageError(
                "Kafka failed (publishing a batch): the client had to repeat the commit, so its outcome is unknown",
                server=Server.KAFKA,
            )

    def _count_commit_request(self) -> None:
        self._commit_requests += 1

    async def _by_partition(self, messages: Sequence[Message]) -> dict[TopicPartitionNumber, list[Message]]:
        partitions = {topic: await self._partitions(topic) for topic in {message.topic for message in messages}}
        numbers: dict[tuple[bytes | None, int], int] = {}
        grouped: dict[tuple[str, int], list[Message]] = defaultdict(list)
        for message in messages:
            available = partitions[message.topic]
            number = numbers.get((message.key, len(available)))
            if number is None:  # the hash of a key is slow, and most messages share their key with others
                number = numbers[message.key, len(available)] = self._partition_of(message.key, available, available)
            grouped[message.topic, number].append(message)
        return {
            TopicPartitionNumber(topic=self._prefix + topic, number=number): batch
            for (topic, number), batch in grouped.items()
        }

    async def _partitions(self, topic: str) -> list[int]:
        return sorted(await self._producer.partitions_for(self._prefix + topic))

    async def _send(self, place: TopicPartitionNumber, messages: Sequence[Message]) -> list[asyncio.Future[Any]]:
        futures = []
        batch = self._producer.create_batch()
        for message in messages:
            if not _append(batch, message):
                futures.append(await self._producer.send_batch(batch, place.topic, partition=place.number))
                batch = self._producer.create_batch()
                _append(batch, message)
        futures.append(await self._producer.send_batch(batch, place.topic, partition=place.number))
        return futures

    async def _wait_for(self, sends: Sequence[asyncio.Future[Any]]) -> None:
        try:
            for future in sends:
                await future
        except KafkaError:
            raise_transaction_error(self._producer)
            raise

    async def _stop(self) -> None:
        await stop_quietly(self._producer.stop(), seconds=_STOP_SECONDS)


def _size(messages: Iterable[Message]) -> int:
    return sum(len(message.value or b"") for message in messages)


def _transaction_seconds(size: int) -> float:
    """Return how long a transaction of this size may take: 10 s, and 1.4 s a megabyte, as a quota may slow it down."""
    return min(_TRANSACTION_SECONDS + size / _SLOWEST_BYTES_PER_SECOND, _MAX_TRANSACTION_SECONDS)


def _append(batch: Any, message: Message) -> bool:  # noqa: ANN401 - aiokafka has no types
    appended = batch.append(key=message.key, value=message.value, timestamp=None, headers=list(message.headers))
    return appended is not None
