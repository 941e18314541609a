"""Lines published from beginning to end, bad ones set aside."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from unenroll.errors import OutageError
from unenroll.ndjson.bad_lines import BadLines
from unenroll.ndjson.lines import TOO_LONG, Line, Part
from unenroll.publish.sender import Sender
from unenroll.settings import KafkaSettings
from unenroll.stream.cluster import Cluster
from unenroll.stream.topics import batch_limits, existing_topics
from unenroll.wire.lines import publish_line
from unenroll.wire.names import Topic
from unenroll.wire.record import Message, batch_bytes
from unenroll.wire.refusals import DeadLetter

MESSAGE_TOO_LARGE = "message_too_large"

TOPICS = (Topic.REQUESTS, Topic.FACTS, Topic.DEFINITIONS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """How many lines went to each topic, or were bad."""

    requests: int
    facts: int
    definitions: int
    bad: int


async def most_bytes(settings: KafkaSettings) -> dict[str, int]:
    """The most bytes that a batch to each topic may have, by the topic's word. Raises OutageError and SetupError."""
    cluster = Cluster(settings)
    names = {settings.topic_prefix + word: word.value for word in TOPICS}
    await existing_topics(cluster, names)
    found = await batch_limits(cluster, names)
    return {word: found[name] for name, word in names.items()}


def publish(lines: Iterable[Line], settings: KafkaSettings, *, limits: Mapping[str, int], bad: BadLines) -> Published:
    """Publish the lines in their order; all have arrived at the end. Raises OutageError and SetupError."""
    counts: Counter[str] = Counter()
    sender = Sender(settings, batch_bytes=min(limits.values()))
    try:
        for line in lines:
            message = understood(line, limits)
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
    return Published(
        requests=counts[Topic.REQUESTS],
        facts=counts[Topic.FACTS],
        definitions=counts[Topic.DEFINITIONS],
        bad=bad.count,
    )


def understood(line: Line, limits: Mapping[str, int]) -> Message | DeadLetter:
    """The message that the line stands for, or why it cannot be published."""
    if line.part is not Part.WHOLE:
        return TOO_LONG
    message = publish_line(line.content)
    if isinstance(message, Message) and batch_bytes(message) > limits[message.topic]:
        return DeadLetter(reason=MESSAGE_TOO_LARGE, detail=f"does not fit the topic {message.topic}")
    return message
