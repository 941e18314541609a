"""What is taken from a topic, and what is put on one."""

from dataclasses import dataclass

Headers = tuple[tuple[str, bytes | None], ...]

BATCH_BYTES = 61
RECORD_BYTES = 21
LENGTH_BYTES = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A record as it was read. `topic` is the full name, `headers` are in the order of the record.

    `unreadable` says what the client could not make out of it, if anything.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    unreadable: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """Something to publish. `topic` is the word behind the prefix."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


def batch_bytes(message: Message) -> int:
    """At most how many bytes the message takes on its topic in a batch of its own, uncompressed."""
    size = BATCH_BYTES + RECORD_BYTES + LENGTH_BYTES + _field(message.key) + _field(message.value)
    return size + sum(_field(name.encode("utf-8", "surrogatepass")) + _field(value) for name, value in message.headers)


def _field(content: bytes | None) -> int:
    return LENGTH_BYTES + (0 if content is None else len(content))
