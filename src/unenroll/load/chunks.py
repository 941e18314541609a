"""Lines read and put together to chunks that one transaction takes, in their order."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from unenroll.core.definitions import Group
from unenroll.ndjson.lines import LONGEST, TOO_LONG, Line, Part
from unenroll.wire.decode import Received
from unenroll.wire.lines import LoadedFact, load_line
from unenroll.wire.refusals import DeadLetter, Reason

MOST_LINES = 1000
MOST_BYTES = 4 * LONGEST


class Entry(NamedTuple):
    """A line, or a part of one, and what it says."""

    line: Line
    content: Received | Group | DeadLetter


def chunks(lines: Iterable[Line]) -> Iterator[list[Entry]]:
    """Entries in the order of their lines. A definition is a chunk of its own."""
    chunk: list[Entry] = []
    size = 0
    for line in lines:
        entry = Entry(line, _content(line))
        alone = isinstance(entry.content, Group)
        if chunk and (alone or len(chunk) == MOST_LINES or size + len(line.content) > MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += len(line.content)
        if alone:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _content(line: Line) -> Received | Group | DeadLetter:
    if line.part is not Part.WHOLE:
        return TOO_LONG
    content = load_line(line.content)
    if isinstance(content, LoadedFact):
        return Received(
            event=content.event,
            event_type=content.event_type,
            content_hash=content.content_hash,
            time=content.time,
            traceparent=None,
        )
    if isinstance(content, DeadLetter) and content.reason == Reason.UNKNOWN_TYPE:
        return replace(content, detail=f"{content.detail}; requests belong on their topic: use `unenroll publish`")
    return content
