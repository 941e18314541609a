"""A dead letter read back: the record that it keeps, what is told of it, and what it becomes when it is put back."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from unenroll.wire.dead_letters import OURS, REDRIVES, content_digest, redrives
from unenroll.wire.record import Headers, Record

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


def put_back(letter: Letter) -> Record:
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
