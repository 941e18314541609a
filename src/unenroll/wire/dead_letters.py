"""What cannot be taken, put aside as it came, with the reason in its headers (contract.md, "Dead letter headers")."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgpack
from msgspec.structs import replace

from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import Headers, Message, Record, Topic, batch_bytes

LEAST_ROOM = 1024
"""How many bytes a dead letter must be allowed so that it always fits."""

REDRIVES = "dlq_redrives"
OURS = frozenset(
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
"""The headers of a dead letter that are none of its record's."""

_SHORT_DETAIL = 40
_REDRIVE_DIGITS = 9


def dead_letter(record: Record, refusal: DeadLetter, *, max_bytes: int) -> Message:
    """The message that keeps the record, taking at most `max_bytes` as long as those are 1024 or more.

    What does not fit is left out: the value first (its size and SHA-256 stand in for it), then the other headers,
    then the key. `dlq_left_out` names what was, the headers also where nobody could read them.
    """
    for message in _ever_smaller(record, refusal):
        if batch_bytes(message) <= max_bytes:
            break
    return message


def content_digest(record: Record) -> bytes:
    """SHA-256 (32 bytes) of key, value, headers and number of redrives: the same record is put aside once per redrive.

    Of the MessagePack array of them, so that nothing runs into its neighbor and None is not empty. Headers that an
    earlier dead letter added do not count.
    """
    headers = tuple(header for header in record.headers if header[0] not in OURS)
    content = (record.key, record.value, headers, redrives(record.headers))
    return hashlib.sha256(msgpack.packb(content, unicode_errors="surrogatepass")).digest()


def redrives(headers: Headers) -> int:
    """How often the record was put back on its topic: as its header says, or 0 if that says no number."""
    for name, value in headers:
        if name == REDRIVES and value is not None and value.isdigit() and len(value) <= _REDRIVE_DIGITS:
            return int(value)
    return 0


def _ever_smaller(record: Record, refusal: DeadLetter) -> Iterator[Message]:
    kept = tuple((_encodable(name), value) for name, value in record.headers if name not in OURS)
    told = _told(record, refusal.reason, refusal.detail)
    lost: Headers = () if record.unreadable is None else (("dlq_left_out", b"headers"),)
    yield _message(record.key, record.value, (*kept, *told, *lost))
    stand_in = _stand_in(record.value)
    if not lost:
        yield _message(record.key, None, (*kept, *told, *stand_in, ("dlq_left_out", b"value")))
    yield _message(record.key, None, (*told, *stand_in, ("dlq_left_out", b"value,headers")))
    short = _told(record, refusal.reason, refusal.detail[:_SHORT_DETAIL])
    yield _message(None, None, (*short, *stand_in, ("dlq_left_out", b"value,headers,key")))


def _message(key: bytes | None, value: bytes | None, headers: Headers) -> Message:
    return Message(topic=Topic.DEAD_LETTERS.value, key=key, value=value, headers=headers)


def _told(record: Record, reason: str, detail: str) -> Headers:
    return (
        ("dlq_reason", _encodable(reason).encode()),
        ("dlq_detail", _encodable(detail).encode()),
        ("dlq_topic", record.topic.encode()),
        ("dlq_partition", b"%d" % record.partition),
        ("dlq_offset", b"%d" % record.offset),
        (REDRIVES, b"%d" % redrives(record.headers)),
    )


def _stand_in(value: bytes | None) -> Headers:
    if value is None:
        return ()
    return (("dlq_size", b"%d" % len(value)), ("dlq_sha256", hashlib.sha256(value).hexdigest().encode()))


def _encodable(text: str) -> str:
    """The text with lone surrogates spelled out: a record's header may be named in bytes that are not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


_WHERE = ("dlq_topic", "dlq_partition", "dlq_offset")


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """A dead letter. `record` is what was put aside, as far as it fits, with the place that it was read from.

    `partition` and `offset` are the letter's own place. `digest` is who it is: the same content, put back as often, is
    the same letter. `left_out` names what did not fit; `size` and `sha256` are those of a value that did not.
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


def read_letter(told: Record) -> Letter | None:
    """The letter in a record of topic `dead-letters`, or None if the record is none of ours."""
    ours = {name: value.decode("utf-8", "replace") for name, value in told.headers if name in OURS and value}
    if not all(ours.get(name) for name in (*_WHERE, "dlq_reason")):
        return None
    topic, partition, offset = (ours[name] for name in _WHERE)
    if not (partition.isdecimal() and offset.isdecimal()):
        return None
    headers = tuple(header for header in told.headers if header[0] not in OURS)
    size = ours.get("dlq_size", "")
    return Letter(
        partition=told.partition,
        offset=told.offset,
        record=Record(
            topic=topic,
            partition=int(partition),
            offset=int(offset),
            key=told.key,
            value=told.value,
            headers=headers,
        ),
        digest=_digest(told, ours.get("dlq_sha256")),
        reason=ours["dlq_reason"],
        detail=ours.get("dlq_detail", ""),
        redrives=redrives(told.headers),
        left_out=tuple(part for part in ours.get("dlq_left_out", "").split(",") if part),
        size=int(size) if size.isdecimal() else None,
        sha256=ours.get("dlq_sha256"),
    )


def restored_record(letter: Letter) -> Record:
    """What goes back to the letter's topic: its record, put back once more."""
    headers = (*letter.record.headers, (REDRIVES, b"%d" % (letter.redrives + 1)))
    return replace(letter.record, headers=headers)


def with_headers(headers: Headers, others: Iterable[tuple[str, str]]) -> Headers:
    """The headers with others in place of all that have the same names."""
    told = [(name, value.encode()) for name, value in others]
    names = {name for name, _ in told}
    return (*(header for header in headers if header[0] not in names), *told)


def _digest(told: Record, sha256: str | None) -> bytes:
    """That of the record that was put aside, as the tables have it; where its value is left out, one that stands in."""
    known = content_digest(told)
    return known if sha256 is None else hashlib.sha256(known + sha256.encode()).digest()
