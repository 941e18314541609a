"""Messages sent to Kafka in their order, each known to have arrived, or else an error."""

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Delivered

from unenroll.settings import KafkaSettings
from unenroll.stream.clients import Identity, for_publishing
from unenroll.stream.cluster import Partition
from unenroll.stream.outage import translated
from unenroll.wire.record import Message

_DELIVERY_SECONDS = 12.0
_MESSAGE_BYTES = 8 * 1024 * 1024
_QUEUE_KILOBYTES = 32 * 1024
_LINGER_MS = 20
_POLL_SECONDS = 0.5
_DOING = "publishing"


class Sender:
    """An idempotent producer. After an exception it is unknown which of the last messages arrived."""

    def __init__(self, settings: KafkaSettings, *, batch_bytes: int) -> None:
        self._prefix = settings.topic_prefix
        self._failed: KafkaError | None = None
        self.ends: dict[Partition, int] = {}
        """Where the last message of ours arrived that we know of: the offset behind it."""
        self._identity = Identity(settings)
        self._producer = Producer(
            {
                **for_publishing(settings, seconds=_DELIVERY_SECONDS),
                "message.max.bytes": _MESSAGE_BYTES,
                "batch.size": batch_bytes,
                "queue.buffering.max.kbytes": _QUEUE_KILOBYTES,
                "linger.ms": _LINGER_MS,
            }
        )

    def send(self, message: Message) -> None:
        """Send one more, waiting while too many are under way. Raises OutageError or SetupError if any failed."""
        with translated(_DOING):
            while not self._queued(message):
                self._look(_POLL_SECONDS)
            self._look(0)

    def finish(self) -> None:
        """Wait until all have arrived. Raises OutageError or SetupError if any failed."""
        with translated(_DOING):
            while self._producer.flush(_POLL_SECONDS):
                self._look(0)
            self._look(0)

    def _queued(self, message: Message) -> bool:
        try:
            self._producer.produce(
                self._prefix + message.topic,
                key=message.key,
                value=message.value,
                headers=list(message.headers),
                on_delivery=self._delivered,
            )
        except BufferError:
            return False
        return True

    def _look(self, seconds: float) -> None:
        self._identity.renew(self._producer)
        self._producer.poll(seconds)
        if self._failed is not None:
            self._producer.purge()
            raise KafkaException(self._failed)

    def _delivered(self, error: KafkaError | None, message: Delivered) -> None:
        self._failed = self._failed or error
        if error is None:
            place = Partition(topic=message.topic() or "", number=message.partition() or 0)
            self.ends[place] = max(self.ends.get(place, 0), (message.offset() or 0) + 1)
