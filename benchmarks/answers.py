"""What an independent reader, who reads only what is committed, finds in the topics."""

from collections import Counter
from collections.abc import Iterator
from uuid import uuid4

from confluent_kafka import Consumer, Message, TopicPartition

from benchmarks.expected import Expected, Fingerprint
from unenroll.wire.topics import Topic

ANSWERS = (Topic.UNENROLLMENTS, Topic.REJECTIONS)
OUTPUTS = (*ANSWERS, Topic.REWARDS)

_SECONDS = 30.0
_AT_ONCE = 10_000


def check_published(
    kafka: str, prefix: str, expected: Expected, *, partitions: int, last_customer: int | None = None
) -> None:
    """Raise SystemExit unless the topics hold what is expected, each event once, and nothing else.

    Events of customers after `last_customer` do not count; None: all events count.
    """
    found = Fingerprint()
    asked: Counter[bytes] = Counter()
    for message in _read(kafka, [prefix + word for word in (*OUTPUTS, Topic.DEAD_LETTERS)], partitions=partitions):
        word = (message.topic() or "").removeprefix(prefix)
        key, value = _bytes(message.key()), _bytes(message.value())
        if last_customer is not None and int(key) > last_customer:
            continue
        event_id = dict(message.headers() or [])["ce_id"]
        found.add(word, event_id=_bytes(event_id), key=key, value=value)
        if word in ANSWERS:
            asked[key] += 1
    if len(asked) != expected.answers or asked.total() != expected.answers:
        raise SystemExit(f"{expected.answers} requests, but {asked.total()} answers to {len(asked)} of them")
    check_same(found, expected.published)


def check_same(found: Fingerprint, expected: Fingerprint) -> None:
    """Raise SystemExit unless they are the same."""
    if found != expected:
        raise SystemExit(
            f"published {dict(found.counts)}, but the core says {dict(expected.counts)}, or in other words"
        )


def _read(kafka: str, topics: list[str], *, partitions: int) -> Iterator[Message]:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": str(uuid4()),
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(topic, number, 0) for topic in topics for number in range(partitions)])
    left = len(topics) * partitions
    while left:
        messages = consumer.consume(_AT_ONCE, timeout=_SECONDS)
        if not messages:
            raise SystemExit("the answers could not be read")
        left -= sum(message.error() is not None for message in messages)
        yield from (message for message in messages if message.error() is None)
    consumer.close()


def _bytes(content: str | bytes | None) -> bytes:
    return content.encode() if isinstance(content, str) else content or b""
