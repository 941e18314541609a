"""Publish the events of NDJSON lines to their Kafka topics."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Message as Delivered

from unenroll.errors import OutageError
from unenroll.kafka.admin import KafkaAdmin, TopicPartitionNumber
from unenroll.kafka.errors import kafka_errors
from unenroll.kafka.idempotent_producer import IdempotentProducer
from unenroll.kafka.topics import batch_limits, existing_topics
from unenroll.ops.files import LINE_TOO_LONG, Line, LinePart
from unenroll.ops.progress import BadLines
from unenroll.settings import KafkaSettings
from unenroll.wire.ndjson import publish_line
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import Message, Topic, batch_bytes

_DELIVERY_SECONDS = 12.0
_LINGER_MS = 20
_POLL_SECONDS = 0.5
_ACTIVITY = "publishing"


class Sender:
    """Sends messages to Kafka, and waits while its buffer is full.

    After an exception it is unknown which of the last messages arrived.
    """

    def __init__(self, settings: KafkaSettings, *, batch_bytes: int) -> None:
        self._failed: KafkaError | None = None
        self.ends: dict[TopicPartitionNumber, int] = {}
        """The offset after the last message that is known to have arrived, by partition."""
        self._producer = IdempotentProducer(
            settings, seconds=_DELIVERY_SECONDS, linger_ms=_LINGER_MS, batch_bytes=batch_bytes
        )

    def send(self, message: Message) -> None:
        """Send one message; wait while the buffer is full. Raises OutageError or SetupError if a message failed."""
        with kafka_errors(_ACTIVITY):
            while not self._producer.send(message, self._on_delivery):
                self._poll(_POLL_SECONDS)
            self._poll(0)

    def finish(self) -> None:
        """Wait until all messages have arrived. Raises OutageError or SetupError if a message failed."""
        with kafka_errors(_ACTIVITY):
            while not self._producer.flush(_POLL_SECONDS):
                self._poll(0)
            self._poll(0)

    def _poll(self, seconds: float) -> None:
        self._producer.poll(seconds)
        if self._failed is not None:
            self._producer.purge()
            raise KafkaException(self._failed)

    def _on_delivery(self, error: KafkaError | None, message: Delivered) -> None:
        self._failed = self._failed or error
        if error is None:
            partition = TopicPartitionNumber(topic=message.topic() or "", number=message.partition() or 0)
            self.ends[partition] = max(self.ends.get(partition, 0), (message.offset() or 0) + 1)


MESSAGE_TOO_LARGE = "message_too_large"

TOPICS = (Topic.REQUESTS, Topic.FACTS, Topic.DEFINITIONS)


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishResult:
    """How many lines were published to each topic, and how many were bad."""

    requests: int
    facts: int
    definitions: int
    bad: int


async def batch_limits_by_topic(settings: KafkaSettings) -> dict[str, int]:
    """The maximum size of a batch in bytes, by topic without prefix. Raises OutageError and SetupError."""
    kafka = KafkaAdmin(settings)
    names = {settings.topic_prefix + topic: topic.value for topic in TOPICS}
    await existing_topics(kafka, names)
    limits = await batch_limits(kafka, names)
    return {topic: limits[name] for name, topic in names.items()}


def publish(
    lines: Iterable[Line], settings: KafkaSettings, *, limits: Mapping[str, int], bad: BadLines
) -> PublishResult:
    """Publish the lines in order, and wait until all have arrived. Raises OutageError and SetupError."""
    counts: Counter[str] = Counter()
    sender = Sender(settings, batch_bytes=min(limits.values()))
    try:
        for line in lines:
            message = parse_line(line, limits)
            if isinstance(message, DeadLetter):
                bad.add(line, message)
            else:
                sender.send(message)
                counts[message.topic] += 1
        sender.finish()
    except OutageError as outage:
        raise OutageError(
            f"{outage}; publish the files again: workers skip the events that arrived before", server=outage.server
        ) from outage
    return PublishResult(
        requests=counts[Topic.REQUESTS],
        facts=counts[Topic.FACTS],
        definitions=counts[Topic.DEFINITIONS],
        bad=bad.count,
    )


def parse_line(line: Line, limits: Mapping[str, int]) -> Message | DeadLetter:
    """The message of the line, or why it cannot be published."""
    if line.part is not LinePart.WHOLE:
        return LINE_TOO_LONG
    message = publish_line(line.content)
    if isinstance(message, Message) and batch_bytes(message) > limits[message.topic]:
        return DeadLetter(reason=MESSAGE_TOO_LARGE, detail=f"exceeds max.message.bytes of topic {message.topic}")
    return message
