"""The consumer of one lane. It is in no group, so rebalances and the records of other lanes do not disturb it."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from operator import methodcaller

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from confluent_kafka import Consumer, Message
from confluent_kafka import TopicPartition as LibrdkafkaPartition

from unenroll.errors import OutageError, Server
from unenroll.kafka.aiokafka_internals import client_of, fetch_all_partitions_together
from unenroll.kafka.config import (
    CLIENT_SECONDS,
    REQUEST_SECONDS,
    for_aiokafka,
    for_reading,
    reload_credentials,
    stop_quietly,
)
from unenroll.kafka.errors import kafka_errors
from unenroll.settings import KafkaSettings, WorkerSettings
from unenroll.wire.topics import Headers, Position, Record

# For header names that are not UTF-8, confluent-kafka returns a result and sets an exception. A plain call may overlook
# the exception until it appears somewhere else; methodcaller always checks.
_headers_of = methodcaller("headers")

_NO_GROUP = "unenroll-unreadable"
_START_SECONDS = 15.0
_STOP_SECONDS = 2.0
_POLL_MS = 250
_FRESH_MS = 10
_FETCH_WAIT_MS = 500
_FETCH_BYTES = 512 * 1024

RecordsByPartition = dict[TopicPartition, list[ConsumerRecord]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsumedRecords:
    """Records in the order in which they were read, and the positions after them."""

    records: tuple[Record, ...]
    ends: tuple[Position, ...]


class LaneConsumer:
    """Reads one partition number of all input topics, from given positions on."""

    def __init__(
        self, settings: WorkerSettings, consumer: AIOKafkaConsumer, *, number: int, positions: Sequence[Position]
    ) -> None:
        self._settings = settings
        self._consumer = consumer
        self._places = [TopicPartition(position.topic, number) for position in positions]
        self._positions = tuple(positions)
        self._seek()

    async def poll(self, stopping: asyncio.Event) -> ConsumedRecords | None:
        """Return the next records, at most `batch_records`, perhaps none; None if `stopping` is set.

        Raises OutageError and SetupError.
        """
        with kafka_errors("reading records"):
            try:
                found = await self._poll_all(stopping)
            except UnicodeDecodeError:  # the client drops the records that it read before the unreadable one
                self._seek()
                return await self._poll_one(stopping)
            if found is None:
                return None
            return await self._consumed(_record(record) for records in found.values() for record in records)

    async def _poll_all(self, stopping: asyncio.Event) -> RecordsByPartition | None:
        limit = self._settings.batch_records
        found: RecordsByPartition = await self._consumer.getmany(*self._places, timeout_ms=0, max_records=limit)
        if not found:
            return await self._poll_partitions(self._places, stopping, limit=limit)
        # These records arrived while the lane was busy, and more may wait at the broker: the client had no fetch open.
        room = limit - sum(map(len, found.values()))
        if room:
            fresh: RecordsByPartition = await self._consumer.getmany(
                *self._places, timeout_ms=_FRESH_MS, max_records=room
            )
            for place, records in fresh.items():
                found.setdefault(place, []).extend(records)
        return None if stopping.is_set() else found

    async def _poll_one(self, stopping: asyncio.Event) -> ConsumedRecords | None:
        """Return one record, the first of any partition, even if it is unreadable."""
        for place in self._places:
            try:
                found = await self._poll_partitions([place], stopping, limit=1)
            except UnicodeDecodeError:
                return await self._consumed([await self._read_unreadable(place)])
            if found is None:
                return None
            if found:
                return await self._consumed(map(_record, found[place]))
        return await self._consumed([])

    async def _poll_partitions(
        self, places: list[TopicPartition], stopping: asyncio.Event, *, limit: int
    ) -> RecordsByPartition | None:
        poll = asyncio.ensure_future(self._consumer.getmany(*places, timeout_ms=_POLL_MS, max_records=limit))
        stop = asyncio.ensure_future(stopping.wait())
        try:
            await asyncio.wait({poll, stop}, return_when=asyncio.FIRST_COMPLETED)
            return None if stopping.is_set() else await poll
        finally:
            stop.cancel()
            poll.cancel()  # the client may drop records, but the lane does not poll this consumer again

    async def _read_unreadable(self, place: TopicPartition) -> Record:
        offset: int = await self._consumer.position(place)
        record = await read_without_headers(self._settings, topic=place.topic, partition=place.partition, offset=offset)
        self._consumer.seek(place, record.offset + 1)
        return record

    async def _consumed(self, records: Iterable[Record]) -> ConsumedRecords:
        ends = [await self._consumer.position(place) for place in self._places]
        self._positions = tuple(
            Position(topic=at.topic, topic_id=at.topic_id, partitions=at.partitions, offset=end)
            for at, end in zip(self._positions, ends, strict=True)
        )
        return ConsumedRecords(records=tuple(records), ends=self._positions)

    def _seek(self) -> None:
        for place, position in zip(self._places, self._positions, strict=True):
            self._consumer.seek(place, position.offset)


@asynccontextmanager
async def open_consumer(
    settings: WorkerSettings, number: int, positions: Sequence[Position]
) -> AsyncIterator[LaneConsumer]:
    """Open a consumer of this partition number at these positions. Raises OutageError and SetupError."""
    consumer = AIOKafkaConsumer(
        **for_aiokafka(settings),
        group_id=None,
        isolation_level="read_committed",
        auto_offset_reset="none",
        fetch_max_wait_ms=_FETCH_WAIT_MS,
        request_timeout_ms=int(CLIENT_SECONDS * 1000),
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    async with running_consumer(
        settings, consumer, doing="starting a consumer", start_seconds=_START_SECONDS, stop_seconds=_STOP_SECONDS
    ):
        fetch_all_partitions_together(consumer)
        consumer.assign([TopicPartition(position.topic, number) for position in positions])
        yield LaneConsumer(settings, consumer, number=number, positions=positions)


@asynccontextmanager
async def running_consumer(
    settings: KafkaSettings, consumer: AIOKafkaConsumer, *, doing: str, start_seconds: float, stop_seconds: float
) -> AsyncIterator[None]:
    """Start the consumer, and stop it at the end of the block. `doing` is what an error says that failed.

    Raises OutageError and SetupError.
    """
    reload_credentials(settings, client_of(consumer))
    try:
        with kafka_errors(doing):
            async with asyncio.timeout(start_seconds):
                await consumer.start()
        yield
    finally:
        await stop_quietly(consumer.stop(), seconds=stop_seconds)


def _record(record: ConsumerRecord) -> Record:
    return Record(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
        appended_ms=record.timestamp,
    )


async def read_without_headers(settings: KafkaSettings, *, topic: str, partition: int, offset: int) -> Record:
    """Return the first record from the offset on, marked as unreadable. Raises OutageError and SetupError."""
    with kafka_errors("reading an unreadable record"):
        return await asyncio.to_thread(_read_one, settings, LibrdkafkaPartition(topic, partition, offset))


def _read_one(settings: KafkaSettings, place: LibrdkafkaPartition) -> Record:
    consumer = Consumer(for_reading(settings, _NO_GROUP))
    try:
        consumer.assign([place])
        message = consumer.poll(REQUEST_SECONDS)
        if message is None or message.error() is not None:
            raise OutageError(
                f"Kafka does not answer (reading {place.topic}, offset {place.offset})", server=Server.KAFKA
            )
        return as_record(message)
    finally:
        consumer.close()


def as_record(message: Message) -> Record:
    """Convert a record of confluent-kafka; mark it as unreadable if its headers are."""
    headers: Headers = ()
    unreadable = None
    try:
        headers = tuple(_headers_of(message) or [])
    except (UnicodeDecodeError, SystemError):  # the client raises either of them
        unreadable = "a name is not UTF-8; all of them are left out"
    return Record(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=message.key(),
        value=message.value(),
        headers=headers,
        unreadable=unreadable,
    )
