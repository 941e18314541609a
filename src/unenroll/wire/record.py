"""What is taken from a topic, and what is put on one."""

from msgspec import Struct

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
