"""Lines put together to chunks that are taken in at once, and to runs that one transaction takes, in their order."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from unenroll.core.definitions import Group
from unenroll.load.fact import Fact, fact
from unenroll.ndjson.lines import LONGEST, TOO_LONG, Line, Part
from unenroll.turns import in_turns
from unenroll.wire.lines import LoadedFact, load_line
from unenroll.wire.refusals import DeadLetter, Reason

MOST_LINES = 5_000
MOST_BYTES = 4 * LONGEST
_LINES_IN_A_TURN = 50  # some milliseconds


class Entry(NamedTuple):
    """A line, or a part of one, and what it says."""

    line: Line
    content: Fact | Group | DeadLetter


def chunks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """The lines, so many or so large as may be in memory at once."""
    chunk: list[Line] = []
    size = 0
    for line in lines:
        if chunk and (len(chunk) == MOST_LINES or size + len(line.content) > MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(line)
        size += len(line.content)
    if chunk:
        yield chunk


async def understood(chunk: Sequence[Line]) -> list[Entry]:
    """What the lines say. Whoever waits for an answer of Postgres meanwhile gets a turn now and then."""
    return await in_turns(_entries, chunk, at_once=_LINES_IN_A_TURN)


def runs(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries, each definition by itself."""
    run: list[Entry] = []
    for entry in entries:
        if isinstance(entry.content, Group):
            if run:
                yield run
            yield [entry]
            run = []
        else:
            run.append(entry)
    if run:
        yield run


def _entries(lines: Iterable[Line]) -> list[Entry]:
    return [Entry(line, _content(line)) for line in lines]


def _content(line: Line) -> Fact | Group | DeadLetter:
    if line.part is not Part.WHOLE:
        return TOO_LONG
    content = load_line(line.content)
    if isinstance(content, LoadedFact):
        return fact(content)
    if isinstance(content, DeadLetter) and content.reason == Reason.UNKNOWN_TYPE:
        return replace(content, detail=f"{content.detail}; requests belong on their topic: use `unenroll publish`")
    return content
