"""One strike: a transactional producer that is thrown away at the first sign of trouble."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.client import CoordinationType
from aiokafka.errors import ConcurrentTransactions, KafkaError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.sender import AddPartitionsToTxnHandler
from aiokafka.protocol.transaction import EndTxnRequest
from aiokafka.structs import OffsetAndMetadata

from unenroll.errors import OutageError, Server
from unenroll.kafka.admin import TopicPartitionNumber
from unenroll.kafka.config import for_aiokafka, stays_current, stop_quietly
from unenroll.kafka.errors import kafka_errors
from unenroll.settings import KafkaSettings, WorkerSettings
from unenroll.wire.topics import Message

_START_SECONDS = 15.0
_TRANSACTION_SECONDS = 10.0
_STOP_SECONDS = 2.0
_BATCH_BYTES = 512 * 1024
_TRANSACTION_TIMEOUT_MS = 12_000
_REQUEST_TIMEOUT_MS = 8_000
_RETRY_BACKOFF_MS = 20
_MARKERS_SECONDS = 0.003

_BUSY = ConcurrentTransactions.errno


class LaneProducer:
    """A lane's producer. Starting it fences the lane's former producer.

    After any exception it must not be used again: nobody can say what of the transaction happened.
    """

    def __init__(self, settings: KafkaSettings, *, transactional_id: str, group_id: str, batch_bytes: int) -> None:
        self._prefix = settings.topic_prefix
        self._group_id = group_id
        self._partition_of = DefaultPartitioner()
        self._producer = AIOKafkaProducer(
            **for_aiokafka(settings),
            transactional_id=transactional_id,
            transaction_timeout_ms=_TRANSACTION_TIMEOUT_MS,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            retry_backoff_ms=_RETRY_BACKOFF_MS,
            max_batch_size=min(batch_bytes, _BATCH_BYTES),
        )
        stays_current(settings, self._producer.client)
        self._commits_sent = 0
        self._watch_for_hidden_retries()
        self._begin_right_after_another()

    @classmethod
    def of_lane(cls, settings: WorkerSettings, number: int, *, batch_bytes: int, group_id: str | None = None) -> Self:
        """The producer of the lane of this partition number. `group_id`: whose offsets it commits; None: the lane's."""
        return cls(
            settings,
            transactional_id=f"{settings.topic_prefix}:{settings.group_id}:{number}",
            group_id=group_id or settings.group_id,
            batch_bytes=batch_bytes,
        )

    async def __aenter__(self) -> Self:
        """Fence the former owner; what it left open is finished or aborted. Raises OutageError or SetupError."""
        try:
            with kafka_errors("fencing the lane's former producer"):
                async with asyncio.timeout(_START_SECONDS):
                    await self._producer.start()
        except BaseException:
            await self._drop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let go of the producer, whatever state it is in."""
        await self._drop()

    async def publish(
        self, messages: Sequence[Message], offsets: Mapping[TopicPartitionNumber, tuple[int, str]]
    ) -> None:
        """Make the messages and the offsets (with their metadata) visible together, or raise: OutageError, SetupError.

        An exception says that it is unknown whether they are.
        """
        with kafka_errors("publishing a batch"):
            async with asyncio.timeout(_TRANSACTION_SECONDS):
                await self._transact(await self._by_partition(messages), offsets)

    async def publish_there(
        self,
        held: Mapping[TopicPartitionNumber, list[Message]],
        offsets: Mapping[TopicPartitionNumber, tuple[int, str]],
    ) -> None:
        """The same, each message in the partition where it is to lie."""
        with kafka_errors("publishing a batch"):
            async with asyncio.timeout(_TRANSACTION_SECONDS):
                await self._transact(held, offsets)

    async def _transact(
        self,
        held: Mapping[TopicPartitionNumber, list[Message]],
        offsets: Mapping[TopicPartitionNumber, tuple[int, str]],
    ) -> None:
        self._commits_sent = 0
        await self._producer.begin_transaction()
        sent = [future for place, messages in held.items() for future in await self._send(place, messages)]
        await self._arrived(sent)  # offsets must not travel while records do, and a failed record must be seen here
        await self._producer.send_offsets_to_transaction(
            {
                TopicPartition(place.topic, place.number): OffsetAndMetadata(offset, metadata)
                for place, (offset, metadata) in offsets.items()
            },
            self._group_id,
        )
        await self._producer.commit_transaction()
        if self._commits_sent != 1:
            raise OutageError(
                "Kafka: the commit had to be sent again, so what it did is not known", server=Server.KAFKA
            )

    async def _by_partition(self, messages: Sequence[Message]) -> dict[TopicPartitionNumber, list[Message]]:
        partitions = {word: await self._partitions(word) for word in {message.topic for message in messages}}
        numbers: dict[tuple[bytes | None, int], int] = {}
        held: dict[tuple[str, int], list[Message]] = defaultdict(list)
        for message in messages:
            there = partitions[message.topic]
            number = numbers.get((message.key, len(there)))
            if number is None:  # hashing a key takes its time, and most messages share theirs
                number = numbers[message.key, len(there)] = self._partition_of(message.key, there, there)
            held[message.topic, number].append(message)
        return {
            TopicPartitionNumber(topic=self._prefix + word, number=number): alike
            for (word, number), alike in held.items()
        }

    async def _partitions(self, word: str) -> list[int]:
        return sorted(await self._producer.partitions_for(self._prefix + word))

    async def _send(self, place: TopicPartitionNumber, messages: list[Message]) -> list[asyncio.Future[Any]]:
        futures = []
        batch = self._producer.create_batch()
        for message in messages:
            if not _append(batch, message):
                futures.append(await self._producer.send_batch(batch, place.topic, partition=place.number))
                batch = self._producer.create_batch()
                _append(batch, message)
        futures.append(await self._producer.send_batch(batch, place.topic, partition=place.number))
        return futures

    async def _arrived(self, sent: Sequence[asyncio.Future[Any]]) -> None:
        try:
            for future in sent:
                await future
        except KafkaError:
            # Without a right to one topic the client sends to the others all the same, and is told something else.
            ended = self._producer._txn_manager.wait_for_transaction_end()  # noqa: SLF001 - nothing public tells why
            if ended.done():
                ended.result()
            raise

    def _watch_for_hidden_retries(self) -> None:
        # aiokafka sends a commit again by itself when the answer is lost, and says nothing: then its effect is unknown.
        client = self._producer.client
        send = client.send

        async def counted(node_id: int, request: Any, **arguments: Any) -> Any:  # noqa: ANN401 - the client's own types
            self._commits_sent += isinstance(request, EndTxnRequest)
            return await send(node_id, request, **arguments)

        client.send = counted

    def _begin_right_after_another(self) -> None:
        sender = self._producer._sender  # noqa: SLF001 - no setting changes how long it waits

        async def add(places: Any) -> bool:  # noqa: ANN401 - the client's own types
            transactional_id = self._producer._txn_manager.transactional_id  # noqa: SLF001 - the same
            node = await sender._find_coordinator(CoordinationType.TRANSACTION, transactional_id)  # noqa: SLF001
            added: bool = await AddPartitions(sender, places).do(node)
            return added

        sender._do_add_partitions_to_txn = add  # noqa: SLF001 - the same

    async def _drop(self) -> None:
        await stop_quietly(self._producer.stop(), seconds=_STOP_SECONDS)


class AddPartitions(AddPartitionsToTxnHandler):  # type: ignore[misc] # the client carries no types
    """Begins a transaction. While the broker still writes the markers of the last one, it turns the next one away.

    The client then waits 20 ms for something that mostly takes 3.
    """

    def handle_response(self, response: Any) -> float | None:  # noqa: ANN401 - the client's own types
        """After how many seconds to try again, None if it has begun."""
        seconds: float | None = super().handle_response(response)
        first = not self._sender._txn_manager.txn_partitions  # noqa: SLF001 - as the client has it
        codes = {code for _, partitions in response.errors for _, code in partitions}
        return _MARKERS_SECONDS if first and codes == {_BUSY} else seconds


def _append(batch: Any, message: Message) -> bool:  # noqa: ANN401 - untyped client
    appended = batch.append(key=message.key, value=message.value, timestamp=None, headers=list(message.headers))
    return appended is not None
