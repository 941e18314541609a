"""Messages sent to Kafka in their order, each known to have arrived, or else an error."""

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Message as Delivered

from unenroll.settings import KafkaSettings
from unenroll.stream.cluster import Partition
from unenroll.stream.idempotent_producer import IdempotentProducer
from unenroll.stream.outage import kafka_errors
from unenroll.wire.record import Message

_DELIVERY_SECONDS = 12.0
_LINGER_MS = 20
_POLL_SECONDS = 0.5
_DOING = "publishing"


class Sender:
    """Waits while too many messages are under way. After an exception it is unknown which of the last ones arrived."""

    def __init__(self, settings: KafkaSettings, *, batch_bytes: int) -> None:
        self._failed: KafkaError | None = None
        self.ends: dict[Partition, int] = {}
        """Where the last message of ours arrived that we know of: the offset behind it."""
        self._producer = IdempotentProducer(
            settings, seconds=_DELIVERY_SECONDS, linger_ms=_LINGER_MS, batch_bytes=batch_bytes
        )

    def send(self, message: Message) -> None:
        """Send one more, waiting while too many are under way. Raises OutageError or SetupError if any failed."""
        with kafka_errors(_DOING):
            while not self._producer.send(message, self._delivered):
                self._look(_POLL_SECONDS)
            self._look(0)

    def finish(self) -> None:
        """Wait until all have arrived. Raises OutageError or SetupError if any failed."""
        with kafka_errors(_DOING):
            while not self._producer.flush(_POLL_SECONDS):
                self._look(0)
            self._look(0)

    def _look(self, seconds: float) -> None:
        self._producer.poll(seconds)
        if self._failed is not None:
            self._producer.purge()
            raise KafkaException(self._failed)

    def _delivered(self, error: KafkaError | None, message: Delivered) -> None:
        self._failed = self._failed or error
        if error is None:
            place = Partition(topic=message.topic() or "", number=message.partition() or 0)
            self.ends[place] = max(self.ends.get(place, 0), (message.offset() or 0) + 1)
