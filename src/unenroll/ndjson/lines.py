"""Files as lines, one after the other. A line that is too long comes in parts, so that memory stays bounded."""

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import BinaryIO, NamedTuple

from unenroll.ndjson.compressed import opened
from unenroll.wire.refusals import DeadLetter

LONGEST = 1024 * 1024
TOO_LONG = DeadLetter(reason="line_too_long", detail=f"is longer than {LONGEST} bytes")


class Part(Enum):
    """What of a line there is: all of it, or a piece of one that is too long."""

    WHOLE = "whole"
    FIRST = "first"
    LATER = "later"


class Line(NamedTuple):
    """A line as it was, its end included, or a part of one. `number` counts the lines of its file from 1."""

    file: str
    number: int
    content: bytes
    part: Part = Part.WHOLE


def lines(files: Iterable[Path], read: Callable[[int], None]) -> Iterator[Line]:
    """The lines of the files, blank ones left out. Raises UnenrollError if a file fails.

    `read` is told how many bytes of a file are done with.
    """
    for file in files:
        with opened(file) as (stream, advanced):
            for line in _lines(str(file), stream):
                if line.part is not Part.WHOLE or line.content.strip():
                    yield line
                read(advanced(len(line.content)))


def _lines(name: str, stream: BinaryIO) -> Iterator[Line]:
    number, goes_on = 0, False
    while content := stream.readline(LONGEST + 1):
        part = Part.LATER if goes_on else Part.WHOLE
        if not goes_on:
            number += 1
            part = Part.FIRST if len(content) > LONGEST and not content.endswith(b"\n") else Part.WHOLE
        yield Line(name, number, content, part)
        goes_on = part is not Part.WHOLE and not content.endswith(b"\n")
