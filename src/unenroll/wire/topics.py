"""Topics, event types, and the records and messages on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct


class Topic(StrEnum):
    """The topics. A topic's full name is the topic prefix and this word."""

    REQUESTS = "requests"
    FACTS = "facts"
    DEFINITIONS = "definitions"
    UNENROLLMENTS = "unenrollments"
    REJECTIONS = "rejections"
    REWARDS = "rewards"
    DEAD_LETTERS = "dead-letters"


CARRIES: Mapping[Topic, frozenset[str]] = MappingProxyType(
    {
        Topic.REQUESTS: frozenset({"UnenrollRequested"}),
        Topic.FACTS: frozenset({"CustomerEnrolled", "RewardEarned", "RewardIssued", "SettlementDue"}),
        Topic.DEFINITIONS: frozenset({"TargetGroupDefined"}),
        Topic.UNENROLLMENTS: frozenset({"UserUnenrolled"}),
        Topic.REJECTIONS: frozenset({"UnenrollRejected"}),
        Topic.REWARDS: frozenset({"RewardCancelled", "RewardReinstated"}),
        Topic.DEAD_LETTERS: frozenset(),
    }
)
"""The names of the events that belong on each topic."""

TOPIC_OF: Mapping[str, Topic] = MappingProxyType({name: topic for topic, names in CARRIES.items() for name in names})
"""The topic of each event, by event name."""

_NAMES = {f"unenroll.{name}.v1": name for name in TOPIC_OF}


def full_type(name: str) -> str:
    """Return the CloudEvents `type` of an event name."""
    return f"unenroll.{name}.v1"


def event_name(full: str) -> str | None:
    """Return the event name of a CloudEvents `type`, or None if the type is unknown."""
    return _NAMES.get(full)


Headers = tuple[tuple[str, bytes | None], ...]

_BATCH_BYTES = 61
_RECORD_BYTES = 21
_LENGTH_BYTES = 5
_OVERHEAD_BYTES = _BATCH_BYTES + _RECORD_BYTES + 3 * _LENGTH_BYTES


class Record(Struct, frozen=True, kw_only=True, gc=False):
    """A record from Kafka. `topic` is the full name, `headers` are in the record's order.

    `unreadable` says why the client could not decode the headers, None if it could. `appended_ms` is the record's
    timestamp in milliseconds since 1970.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    unreadable: str | None = None
    appended_ms: int | None = None


_LAST_MILLISECOND = 253_402_300_799_999  # of the year 9999


def append_time(milliseconds: int | None) -> float | None:
    """Return the timestamp of a record as Unix time; None if it has none, or one before 1970 or after 9999.

    A timestamp is what its producer says: -1, or microseconds by mistake.
    """
    if milliseconds is None or not 0 <= milliseconds <= _LAST_MILLISECOND:
        return None
    return milliseconds / 1000


class Message(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A message to publish. `topic` is the word behind the topic prefix. msgspec encodes it as an array."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


def batch_bytes(message: Message | Record) -> int:
    """Return the maximum size in bytes of the message or record in a batch of its own, uncompressed."""
    size = (
        _OVERHEAD_BYTES + 2 * _LENGTH_BYTES * len(message.headers) + len(message.key or b"") + len(message.value or b"")
    )
    for name, value in message.headers:
        size += len(name) if name.isascii() else len(name.encode("utf-8", "surrogatepass"))
        if value:
            size += len(value)
    return size


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Position:
    """The next offset that a lane decides in its partition of a topic.

    A topic that was deleted and created again has another `topic_id`. `partitions` is the topic's number of partitions
    when the lane first read it.
    """

    topic: str
    topic_id: str
    partitions: int
    offset: int
