"""Publishing single events, each acknowledged by Kafka before its call is answered."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Event, Thread

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from unenroll.errors import OutageError
from unenroll.settings import KafkaSettings
from unenroll.stream.clients import Identity, for_publishing
from unenroll.stream.outage import translated
from unenroll.wire import record

DELIVERY_SECONDS = 5.0
"""How long the producer waits for Kafka to acknowledge an event."""

_ANSWER_SECONDS = DELIVERY_SECONDS + 1
_POLL_SECONDS = 0.5
_FLUSH_SECONDS = 1.0
_DOING = "publishing"


class Publisher:
    """An idempotent producer with a thread that polls for acknowledgements from its creation on."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._identity = Identity(settings)
        self._producer = self._made()
        self._over = Event()
        self._thread = Thread(target=self._hear, name="acknowledgements", daemon=True)
        self._thread.start()

    async def publish(self, message: record.Message) -> None:
        """Publish the event and wait until it is on its topic.

        Raises OutageError (the event may have arrived all the same) and SetupError.
        """
        loop = asyncio.get_running_loop()
        told: asyncio.Future[KafkaError | None] = loop.create_future()

        def delivered(error: KafkaError | None, _: Message) -> None:
            loop.call_soon_threadsafe(_tell, told, error)

        with translated(_DOING):
            self._send(message, delivered)
            async with asyncio.timeout(_ANSWER_SECONDS):
                error = await told
            if error is not None:
                if error.fatal():
                    self._producer = self._made()
                raise KafkaException(error)

    async def end(self) -> None:
        """Flush and stop. Acknowledged events are safe."""
        self._over.set()
        await asyncio.to_thread(self._producer.flush, _FLUSH_SECONDS)
        await asyncio.to_thread(self._thread.join, _FLUSH_SECONDS)

    def _made(self) -> Producer:
        with translated(_DOING):
            return Producer({**for_publishing(self._settings, seconds=DELIVERY_SECONDS), "linger.ms": 0})

    def _send(self, message: record.Message, delivered: Callable[[KafkaError | None, Message], None]) -> None:
        try:
            self._producer.produce(
                self._settings.topic_prefix + message.topic,
                key=message.key,
                value=message.value,
                headers=list(message.headers),
                on_delivery=delivered,
            )
        except BufferError as error:
            raise OutageError("too many events are waiting for Kafka") from error

    def _hear(self) -> None:
        while not self._over.is_set():
            self._identity.renew(self._producer)
            self._producer.poll(_POLL_SECONDS)


@asynccontextmanager
async def publisher(settings: KafkaSettings) -> AsyncIterator[Publisher]:
    """A publisher that ends with the block."""
    made = Publisher(settings)
    try:
        yield made
    finally:
        await made.end()


def _tell(told: "asyncio.Future[KafkaError | None]", error: KafkaError | None) -> None:
    if not told.done():
        told.set_result(error)
