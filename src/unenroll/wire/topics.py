"""What topics and event types are called."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct


class Topic(StrEnum):
    """The words behind the topic prefix."""

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
"""The events that belong on each topic."""

TOPIC_OF: Mapping[str, Topic] = MappingProxyType({name: topic for topic, names in CARRIES.items() for name in names})
"""The topic that each event belongs to."""

_NAMES = {f"unenroll.{name}.v1": name for name in TOPIC_OF}


def full_type(name: str) -> str:
    """The CloudEvents `type` of an event name."""
    return f"unenroll.{name}.v1"


def event_name(full: str) -> str | None:
    """The event name behind a CloudEvents `type`, or None where we know none such."""
    return _NAMES.get(full)


Headers = tuple[tuple[str, bytes | None], ...]

BATCH_BYTES = 61
RECORD_BYTES = 21
LENGTH_BYTES = 5
_WITHOUT_CONTENT = BATCH_BYTES + RECORD_BYTES + 3 * LENGTH_BYTES


class Record(Struct, frozen=True, kw_only=True, gc=False):
    """A record as it was read. `topic` is the full name, `headers` are in the order of the record.

    `unreadable` says what the client could not make out of it, if anything. `appended_ms` is when it says that it was
    appended, in milliseconds since 1970.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    unreadable: str | None = None
    appended_ms: int | None = None


class Message(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """Something to publish. `topic` is the word behind the prefix. Packs as the array of its fields."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


def batch_bytes(message: Message) -> int:
    """At most how many bytes the message takes on its topic in a batch of its own, uncompressed."""
    size = (
        _WITHOUT_CONTENT + 2 * LENGTH_BYTES * len(message.headers) + len(message.key or b"") + len(message.value or b"")
    )
    for name, value in message.headers:
        size += len(name) if name.isascii() else len(name.encode("utf-8", "surrogatepass"))
        if value:
            size += len(value)
    return size


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Position:
    """The next offset to decide in the lane's partition of a topic. A topic made again has another id.

    `partitions` is how many the topic had when the lane first read it.
    """

    topic: str
    topic_id: str
    partitions: int
    offset: int
