"""Idempotent producers: each message arrives once, or else its sender is told that it may not have."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Event, Thread

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Delivered

from unenroll.errors import OutageError, Server
from unenroll.kafka.config import ClientIdentity, for_confluent
from unenroll.kafka.errors import kafka_errors
from unenroll.settings import KafkaSettings
from unenroll.wire.topics import Message

DELIVERY_SECONDS = 5.0
"""After how long a publisher gives an event up that Kafka does not acknowledge."""

_ANSWER_SECONDS = DELIVERY_SECONDS + 1
_POLL_SECONDS = 0.5
_FLUSH_SECONDS = 1.0
_QUEUE_KILOBYTES = 32 * 1024
_MESSAGE_BYTES = 8 * 1024 * 1024
_BATCH_BYTES = 1_000_000
_DOING = "publishing"

Heard = Callable[[KafkaError | None, Delivered], None]


class IdempotentProducer:
    """Sends messages in their order. It holds 32 MiB of them at most, and gives each up after so many `seconds`.

    What Kafka says of a message is heard while the producer is polled or flushed.
    """

    def __init__(
        self, settings: KafkaSettings, *, seconds: float, linger_ms: int = 0, batch_bytes: int = _BATCH_BYTES
    ) -> None:
        self._prefix = settings.topic_prefix
        self._identity = ClientIdentity(settings)
        with kafka_errors(_DOING):
            self._producer = Producer(
                {
                    **for_confluent(settings),
                    "enable.idempotence": True,
                    "acks": "all",
                    "partitioner": "murmur2_random",  # Kafka's own: a customer's events lie together whoever sends them
                    "message.timeout.ms": int(seconds * 1000),
                    "message.max.bytes": _MESSAGE_BYTES,
                    "batch.size": batch_bytes,
                    "queue.buffering.max.kbytes": _QUEUE_KILOBYTES,
                    "linger.ms": linger_ms,
                }
            )

    def send(self, message: Message, heard: Heard) -> bool:
        """Begin to send the message. False: too many are under way."""
        try:
            self._producer.produce(
                self._prefix + message.topic,
                key=message.key,
                value=message.value,
                headers=list(message.headers),
                on_delivery=heard,
            )
        except BufferError:
            return False
        return True

    def poll(self, seconds: float) -> None:
        """Hear what Kafka says, waiting for as long at most."""
        self._identity.renew(self._producer)
        self._producer.poll(seconds)

    def flush(self, seconds: float) -> bool:
        """The same, until all messages are heard of. Returns whether they are."""
        return not self._producer.flush(seconds)

    def purge(self) -> None:
        """Send nothing more of what is under way."""
        self._producer.purge()


class Publisher:
    """Publishes events one by one, each known to have arrived before anybody hears of it. A thread hears of them."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer = self._made()
        self._over = Event()
        self._thread = Thread(target=self._hear, name="acknowledgements", daemon=True)
        self._thread.start()

    async def publish(self, message: Message) -> None:
        """Returns when the event is on its topic. Raises OutageError (it may be there all the same) and SetupError."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[KafkaError | None] = loop.create_future()

        def heard(error: KafkaError | None, _: Delivered) -> None:
            loop.call_soon_threadsafe(_tell, told, error)

        with kafka_errors(_DOING):
            if not self._producer.send(message, heard):
                raise OutageError("too many events wait for Kafka", server=Server.KAFKA)
            async with asyncio.timeout(_ANSWER_SECONDS):
                error = await told
            if error is not None:
                if error.fatal():
                    self._producer = self._made()
                raise KafkaException(error)

    async def end(self) -> None:
        """Let go of Kafka. Whatever was acknowledged is there."""
        self._over.set()
        await asyncio.to_thread(self._producer.flush, _FLUSH_SECONDS)
        await asyncio.to_thread(self._thread.join, _FLUSH_SECONDS)

    def _made(self) -> IdempotentProducer:
        return IdempotentProducer(self._settings, seconds=DELIVERY_SECONDS)

    def _hear(self) -> None:
        while not self._over.is_set():
            self._producer.poll(_POLL_SECONDS)


@asynccontextmanager
async def publisher(settings: KafkaSettings) -> AsyncIterator[Publisher]:
    """A publisher, until the end of the block."""
    made = Publisher(settings)
    try:
        yield made
    finally:
        await made.end()


def _tell(told: "asyncio.Future[KafkaError | None]", error: KafkaError | None) -> None:
    if not told.done():
        told.set_result(error)
