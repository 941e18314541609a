"""What a lane reads, with a consumer of its own: no rebalance touches it, and no other lane's records hold it up."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from operator import methodcaller

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from confluent_kafka import Consumer, Message
from confluent_kafka import TopicPartition as LibrdkafkaPartition

from unenroll.errors import OutageError, Server
from unenroll.kafka.config import REQUEST_SECONDS, for_aiokafka, for_reading, stays_current, stop_quietly
from unenroll.kafka.errors import kafka_errors
from unenroll.settings import KafkaSettings, WorkerSettings
from unenroll.wire.topics import Headers, Position, Record

# With names that are not UTF-8 the client returns and raises at once, which a call in Python may not notice, as long as
# somebody else does not trip over it. This way to call always looks.
_headers_of = methodcaller("headers")

_NO_GROUP = "unenroll-unreadable"


async def read_without_headers(settings: KafkaSettings, *, topic: str, partition: int, offset: int) -> Record:
    """The first record at or behind the offset, marked as unreadable. Raises OutageError and SetupError."""
    with kafka_errors("reading a record again"):
        return await asyncio.to_thread(_read, settings, LibrdkafkaPartition(topic, partition, offset))


def _read(settings: KafkaSettings, place: LibrdkafkaPartition) -> Record:
    consumer = Consumer(for_reading(settings, _NO_GROUP))
    try:
        consumer.assign([place])
        message = consumer.poll(REQUEST_SECONDS)
        if message is None or message.error() is not None:
            raise OutageError(
                f"Kafka does not answer: reading {place.topic}, offset {place.offset} again", server=Server.KAFKA
            )
        return as_record(message)
    finally:
        consumer.close()


def as_record(message: Message) -> Record:
    """The record that confluent-kafka has read, marked as unreadable if its headers are."""
    headers: Headers = ()
    unreadable = None
    try:
        headers = tuple(_headers_of(message) or [])
    except (UnicodeDecodeError, SystemError):  # the client's way to tell differs from place to place
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


_START_SECONDS = 15.0
_STOP_SECONDS = 2.0
_POLL_MS = 250
_FRESH_MS = 10
_FETCH_WAIT_MS = 500
_FETCH_BYTES = 512 * 1024
_NEVER_SECONDS = 3600.0

Found = dict[TopicPartition, list[ConsumerRecord]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsumedRecords:
    """Records in the order they were read, and the positions behind them."""

    records: tuple[Record, ...]
    ends: tuple[Position, ...]


class LaneConsumer:
    """The records of one partition number in every input topic, from some positions on."""

    def __init__(
        self, settings: WorkerSettings, consumer: AIOKafkaConsumer, *, number: int, positions: Sequence[Position]
    ) -> None:
        self._settings = settings
        self._consumer = consumer
        self._places = [TopicPartition(position.topic, number) for position in positions]
        self._positions = tuple(positions)
        self._go_back()

    async def take(self, stopping: asyncio.Event) -> ConsumedRecords | None:
        """What there is behind what was taken last, perhaps nothing; None once `stopping` is set.

        Raises OutageError and SetupError.
        """
        with kafka_errors("reading"):
            try:
                found = await self._all(stopping)
            except UnicodeDecodeError:  # what the client had taken by then is lost to us
                self._go_back()
                return await self._take_one(stopping)
            if found is None:
                return None
            return await self._taken(_record(one) for held in found.values() for one in held)

    async def _all(self, stopping: asyncio.Event) -> Found | None:
        most = self._settings.batch_records
        found: Found = await self._consumer.getmany(*self._places, timeout_ms=0, max_records=most)
        if not found:
            return await self._poll(self._places, stopping, most_records=most)
        # It came while the lane was busy, and more has come since: the client had no request under way.
        room = most - sum(map(len, found.values()))
        if room:
            fresh: Found = await self._consumer.getmany(*self._places, timeout_ms=_FRESH_MS, max_records=room)
            for place, held in fresh.items():
                found.setdefault(place, []).extend(held)
        return None if stopping.is_set() else found

    async def _take_one(self, stopping: asyncio.Event) -> ConsumedRecords | None:
        """One record, the first that any of the partitions holds, even if it is the one that cannot be read."""
        for place in self._places:
            try:
                found = await self._poll([place], stopping, most_records=1)
            except UnicodeDecodeError:
                return await self._taken([await self._unreadable(place)])
            if found is None:
                return None
            if found:
                return await self._taken(_record(one) for one in found[place])
        return await self._taken([])

    async def _poll(self, places: list[TopicPartition], stopping: asyncio.Event, *, most_records: int) -> Found | None:
        poll = asyncio.ensure_future(self._consumer.getmany(*places, timeout_ms=_POLL_MS, max_records=most_records))
        stop = asyncio.ensure_future(stopping.wait())
        try:
            await asyncio.wait({poll, stop}, return_when=asyncio.FIRST_COMPLETED)
            return None if stopping.is_set() else await poll
        finally:
            stop.cancel()
            poll.cancel()  # it may have taken records, but nobody asks this consumer again

    async def _unreadable(self, place: TopicPartition) -> Record:
        offset: int = await self._consumer.position(place)
        record = await read_without_headers(self._settings, topic=place.topic, partition=place.partition, offset=offset)
        self._consumer.seek(place, record.offset + 1)
        return record

    async def _taken(self, records: Iterable[Record]) -> ConsumedRecords:
        ends = [await self._consumer.position(place) for place in self._places]
        self._positions = tuple(
            Position(topic=at.topic, topic_id=at.topic_id, partitions=at.partitions, offset=end)
            for at, end in zip(self._positions, ends, strict=True)
        )
        return ConsumedRecords(records=tuple(records), ends=self._positions)

    def _go_back(self) -> None:
        for place, position in zip(self._places, self._positions, strict=True):
            self._consumer.seek(place, position.offset)


@asynccontextmanager
async def open_consumer(
    settings: WorkerSettings, number: int, positions: Sequence[Position]
) -> AsyncIterator[LaneConsumer]:
    """A reader of this partition number that begins at these positions. Raises OutageError and SetupError."""
    consumer = AIOKafkaConsumer(
        **for_aiokafka(settings),
        group_id=None,
        isolation_level="read_committed",
        auto_offset_reset="none",
        fetch_max_wait_ms=_FETCH_WAIT_MS,
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    stays_current(settings, consumer._client)  # noqa: SLF001 - nothing public has it
    try:
        with kafka_errors("opening a reader"):
            async with asyncio.timeout(_START_SECONDS):
                await consumer.start()
        _wait_for_the_lane(consumer)
        consumer.assign([TopicPartition(position.topic, number) for position in positions])
        yield LaneConsumer(settings, consumer, number=number, positions=positions)
    finally:
        await stop_quietly(consumer.stop(), seconds=_STOP_SECONDS)


def _wait_for_the_lane(consumer: AIOKafkaConsumer) -> None:
    # While the lane has yet to take what was fetched of one topic, the client would soon ask for the other topic alone;
    # where that one is silent, the lane would then wait for the answer before it is told of more. No argument says so.
    consumer._fetcher._prefetch_backoff = _NEVER_SECONDS  # noqa: SLF001


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
