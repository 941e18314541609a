"""Lines published from beginning to end, bad ones set aside."""

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
from unenroll.ops.files import TOO_LONG, Line, LinePart
from unenroll.ops.progress import BadLines
from unenroll.settings import KafkaSettings
from unenroll.wire.ndjson import publish_line
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import Message, Topic, batch_bytes

_DELIVERY_SECONDS = 12.0
_LINGER_MS = 20
_POLL_SECONDS = 0.5
_DOING = "publishing"


class Sender:
    """Waits while too many messages are under way. After an exception it is unknown which of the last ones arrived."""

    def __init__(self, settings: KafkaSettings, *, batch_bytes: int) -> None:
        self._failed: KafkaError | None = None
        self.ends: dict[TopicPartitionNumber, int] = {}
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
            place = TopicPartitionNumber(topic=message.topic() or "", number=message.partition() or 0)
            self.ends[place] = max(self.ends.get(place, 0), (message.offset() or 0) + 1)


MESSAGE_TOO_LARGE = "message_too_large"

TOPICS = (Topic.REQUESTS, Topic.FACTS, Topic.DEFINITIONS)


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishResult:
    """How many lines went to each topic, or were bad."""

    requests: int
    facts: int
    definitions: int
    bad: int


async def most_bytes(settings: KafkaSettings) -> dict[str, int]:
    """The most bytes that a batch to each topic may have, by the topic's word. Raises OutageError and SetupError."""
    cluster = KafkaAdmin(settings)
    names = {settings.topic_prefix + word: word.value for word in TOPICS}
    await existing_topics(cluster, names)
    found = await batch_limits(cluster, names)
    return {word: found[name] for name, word in names.items()}


def publish(
    lines: Iterable[Line], settings: KafkaSettings, *, limits: Mapping[str, int], bad: BadLines
) -> PublishResult:
    """Publish the lines in their order; all have arrived at the end. Raises OutageError and SetupError."""
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
            f"{outage}; publish the files again: what has arrived already changes nothing", server=outage.server
        ) from outage
    return PublishResult(
        requests=counts[Topic.REQUESTS],
        facts=counts[Topic.FACTS],
        definitions=counts[Topic.DEFINITIONS],
        bad=bad.count,
    )


def parse_line(line: Line, limits: Mapping[str, int]) -> Message | DeadLetter:
    """The message that the line stands for, or why it cannot be published."""
    if line.part is not LinePart.WHOLE:
        return TOO_LONG
    message = publish_line(line.content)
    if isinstance(message, Message) and batch_bytes(message) > limits[message.topic]:
        return DeadLetter(reason=MESSAGE_TOO_LARGE, detail=f"does not fit the topic {message.topic}")
    return message
