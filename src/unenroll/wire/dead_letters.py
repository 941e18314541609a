"""Writes and reads dead letters: refused records, unchanged, with the reason in headers (contract.md)."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgpack
from msgspec.structs import replace

from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import Headers, Message, Record, Topic, batch_bytes

MIN_DEAD_LETTER_BYTES = 1024
"""Every dead letter can be made to fit into this number of bytes."""

REDRIVES = "dlq_redrives"
DLQ_HEADERS = frozenset(
    {
        "dlq_reason",
        "dlq_detail",
        "dlq_topic",
        "dlq_partition",
        "dlq_offset",
        REDRIVES,
        "dlq_size",
        "dlq_sha256",
        "dlq_left_out",
    }
)
"""The headers that a dead letter adds to those of its record."""

_SHORT_DETAIL = 40
_REDRIVE_DIGITS = 9


def dead_letter(record: Record, refusal: DeadLetter, *, max_bytes: int) -> Message:
    """Return the dead letter of the record, of at most `max_bytes` bytes (1024 or more).

    Parts that do not fit are left out: first the value (its size and SHA-256 are added instead), then the record's
    headers, then the key. `dlq_left_out` names these parts, and headers that the client could not decode.
    """
    for message in _candidates(record, refusal):
        if batch_bytes(message) <= max_bytes:
            break
    return message


def content_digest(record: Record) -> bytes:
    """Return the SHA-256 (32 bytes) of key, value, headers and number of redrives.

    By this digest the same record becomes a dead letter once per redrive. The hashed bytes are a MessagePack array, so
    parts do not run together and None differs from empty. Headers of an earlier dead letter are ignored.
    """
    headers = tuple(header for header in record.headers if header[0] not in DLQ_HEADERS)
    content = (record.key, record.value, headers, redrive_count(record.headers))
    return hashlib.sha256(msgpack.packb(content, unicode_errors="surrogatepass")).digest()


def redrive_count(headers: Headers) -> int:
    """Return how often the record was redriven, by its header; 0 if the header is missing or not a number."""
    for name, value in headers:
        if name == REDRIVES and value is not None and value.isdigit() and len(value) <= _REDRIVE_DIGITS:
            return int(value)
    return 0


def _candidates(record: Record, refusal: DeadLetter) -> Iterator[Message]:
    """Yield dead letters of the record, from the complete one to the smallest."""
    own = tuple((_encodable(name), value) for name, value in record.headers if name not in DLQ_HEADERS)
    added = _dlq_headers(record, refusal.reason, refusal.detail)
    lost: Headers = () if record.unreadable is None else (("dlq_left_out", b"headers"),)
    yield _message(record.key, record.value, (*own, *added, *lost))
    digest = _value_digest(record.value)
    if not lost:
        yield _message(record.key, None, (*own, *added, *digest, ("dlq_left_out", b"value")))
    yield _message(record.key, None, (*added, *digest, ("dlq_left_out", b"value,headers")))
    short = _dlq_headers(record, refusal.reason, refusal.detail[:_SHORT_DETAIL])
    yield _message(None, None, (*short, *digest, ("dlq_left_out", b"value,headers,key")))


def _message(key: bytes | None, value: bytes | None, headers: Headers) -> Message:
    return Message(topic=Topic.DEAD_LETTERS.value, key=key, value=value, headers=headers)


def _dlq_headers(record: Record, reason: str, detail: str) -> Headers:
    return (
        ("dlq_reason", _encodable(reason).encode()),
        ("dlq_detail", _encodable(detail).encode()),
        ("dlq_topic", record.topic.encode()),
        ("dlq_partition", b"%d" % record.partition),
        ("dlq_offset", b"%d" % record.offset),
        (REDRIVES, b"%d" % redrive_count(record.headers)),
    )


def _value_digest(value: bytes | None) -> Headers:
    if value is None:
        return ()
    return (("dlq_size", b"%d" % len(value)), ("dlq_sha256", hashlib.sha256(value).hexdigest().encode()))


def _encodable(text: str) -> str:
    """Escape lone surrogates: the name of a record's header may consist of bytes that are not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


_PLACE_HEADERS = ("dlq_topic", "dlq_partition", "dlq_offset")


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """A dead letter from Kafka. `record` is the refused record, with its own topic, partition and offset.

    `partition` and `offset` are those of the letter. `digest` identifies the letter: the same content after the same
    number of redrives is the same letter. `left_out` names the parts that did not fit; `size` (bytes) and `sha256` are
    those of a value that did not fit.
    """

    partition: int
    offset: int
    record: Record
    digest: bytes
    reason: str
    detail: str
    redrives: int
    left_out: tuple[str, ...] = ()
    size: int | None = None
    sha256: str | None = None


def read_letter(letter: Record) -> Letter | None:
    """Return the letter in a record of the topic `dead-letters`, or None if Unenroll did not write the record."""
    added = {name: value.decode("utf-8", "replace") for name, value in letter.headers if name in DLQ_HEADERS and value}
    if not all(added.get(name) for name in (*_PLACE_HEADERS, "dlq_reason")):
        return None
    topic, partition, offset = (added[name] for name in _PLACE_HEADERS)
    if not (partition.isdecimal() and offset.isdecimal()):
        return None
    size = added.get("dlq_size", "")
    return Letter(
        partition=letter.partition,
        offset=letter.offset,
        record=Record(
            topic=topic,
            partition=int(partition),
            offset=int(offset),
            key=letter.key,
            value=letter.value,
            headers=tuple(header for header in letter.headers if header[0] not in DLQ_HEADERS),
        ),
        digest=_letter_digest(letter, added.get("dlq_sha256")),
        reason=added["dlq_reason"],
        detail=added.get("dlq_detail", ""),
        redrives=redrive_count(letter.headers),
        left_out=tuple(part for part in added.get("dlq_left_out", "").split(",") if part),
        size=int(size) if size.isdecimal() else None,
        sha256=added.get("dlq_sha256"),
    )


def restored_record(letter: Letter) -> Record:
    """Return the record to redrive: the letter's record with its number of redrives one higher."""
    headers = (*letter.record.headers, (REDRIVES, b"%d" % (letter.redrives + 1)))
    return replace(letter.record, headers=headers)


def with_headers(headers: Headers, changes: Iterable[tuple[str, str]]) -> Headers:
    """Return the headers with these changes. Each changed header replaces all headers of its name."""
    changed = [(name, value.encode()) for name, value in changes]
    names = {name for name, _ in changed}
    return (*(header for header in headers if header[0] not in names), *changed)


def _letter_digest(letter: Record, sha256: str | None) -> bytes:
    """Return the digest in the tables: that of the record, or a substitute if the letter has no value but its hash."""
    digest = content_digest(letter)
    return digest if sha256 is None else hashlib.sha256(digest + sha256.encode()).digest()
