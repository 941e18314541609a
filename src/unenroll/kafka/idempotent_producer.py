"""Idempotent producers: Kafka stores each message once, or the sender gets an error."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Event, Thread

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Delivered

from unenroll.errors import OutageError, Server
from unenroll.kafka.config import LibrdkafkaCredentials, for_confluent
from unenroll.kafka.errors import kafka_errors
from unenroll.settings import KafkaSettings
from unenroll.wire.topics import Message

DELIVERY_SECONDS = 5.0
"""How long a publisher waits for Kafka to acknowledge an event."""

_ANSWER_SECONDS = DELIVERY_SECONDS + 1
_POLL_SECONDS = 0.5
_FLUSH_SECONDS = 1.0
_QUEUE_KILOBYTES = 32 * 1024
_MESSAGE_BYTES = 8 * 1024 * 1024
_BATCH_BYTES = 1_000_000
_ACTION = "publishing"

DeliveryCallback = Callable[[KafkaError | None, Delivered], None]


class IdempotentProducer:
    """Sends messages in order. Its queue has 32 MiB; a message fails if Kafka does not acknowledge it in `seconds`.

    `poll` and `flush` call the delivery callbacks.
    """

    def __init__(
        self, settings: KafkaSettings, *, seconds: float, linger_ms: int = 0, batch_bytes: int = _BATCH_BYTES
    ) -> None:
        self._prefix = settings.topic_prefix
        self._credentials = LibrdkafkaCredentials(settings)
        with kafka_errors(_ACTION):
            self._producer = Producer(
                {
                    **for_confluent(settings),
                    "enable.idempotence": True,
                    "acks": "all",
                    "partitioner": "murmur2_random",  # the Java client's: one customer, one partition
                    "message.timeout.ms": int(seconds * 1000),
                    "message.max.bytes": _MESSAGE_BYTES,
                    "batch.size": batch_bytes,
                    "queue.buffering.max.kbytes": _QUEUE_KILOBYTES,
                    "linger.ms": linger_ms,
                }
            )

    def send(self, message: Message, on_delivery: DeliveryCallback) -> bool:
        """Queue the message. Returns False if the queue is full."""
        try:
            self._producer.produce(
                self._prefix + message.topic,
                key=message.key,
                value=message.value,
                headers=list(message.headers),
                on_delivery=on_delivery,
            )
        except BufferError:
            return False
        return True

    def poll(self, seconds: float) -> None:
        """Call the callbacks of acknowledged and failed messages; wait at most so many seconds for the first."""
        self._credentials.refresh(self._producer)
        self._producer.poll(seconds)

    def flush(self, seconds: float) -> bool:
        """Call the callbacks until the queue is empty, for at most so many seconds. Returns whether it is empty."""
        return not self._producer.flush(seconds)

    def purge(self) -> None:
        """Drop the messages in the queue."""
        self._producer.purge()


class Publisher:
    """Publishes single events and waits for each acknowledgement. A thread polls the producer."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer = self._new_producer()
        self._closing = Event()
        self._thread = Thread(target=self._poll, name="acknowledgements", daemon=True)
        self._thread.start()

    async def publish(self, message: Message) -> None:
        """Return when Kafka has stored the event. Raises SetupError; or OutageError, after which it may be stored."""
        loop = asyncio.get_running_loop()
        delivery: asyncio.Future[KafkaError | None] = loop.create_future()

        def on_delivery(error: KafkaError | None, _: Delivered) -> None:
            loop.call_soon_threadsafe(_set_result, delivery, error)

        with kafka_errors(_ACTION):
            if not self._producer.send(message, on_delivery):
                raise OutageError(
                    "Kafka does not answer (publishing): the queue of the producer is full", server=Server.KAFKA
                )
            async with asyncio.timeout(_ANSWER_SECONDS):
                error = await delivery
            if error is not None:
                if error.fatal():
                    self._producer = self._new_producer()
                raise KafkaException(error)

    async def close(self) -> None:
        """Send what is queued for at most 1 s, and end the thread."""
        self._closing.set()
        await asyncio.to_thread(self._producer.flush, _FLUSH_SECONDS)
        await asyncio.to_thread(self._thread.join, _FLUSH_SECONDS)

    def _new_producer(self) -> IdempotentProducer:
        return IdempotentProducer(self._settings, seconds=DELIVERY_SECONDS)

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(_POLL_SECONDS)


@asynccontextmanager
async def publisher(settings: KafkaSettings) -> AsyncIterator[Publisher]:
    """Open a publisher for the block."""
    opened = Publisher(settings)
    try:
        yield opened
    finally:
        await opened.close()


def _set_result(delivery: "asyncio.Future[KafkaError | None]", error: KafkaError | None) -> None:
    if not delivery.done():  # the caller may have given up
        delivery.set_result(error)
