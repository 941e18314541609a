"""Files named by a person, looked at before anything is done."""

import bz2
import gzip
import lzma
import os
import shutil
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, NamedTuple, cast

import cramjam

from unenroll.errors import UnenrollError, UsageError
from unenroll.wire.reasons import DeadLetter

STANDARD_INPUT = Path("-")

_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_MAGIC: dict[bytes, Callable[[BinaryIO], object]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, cramjam.DecompressionError)


class OpenedFile(NamedTuple):
    """The content of a file. `advanced` is told the bytes read, and says how many of the file's own those were."""

    stream: BinaryIO
    advanced: Callable[[int], int]


@contextmanager
def open_file(file: Path) -> Iterator[OpenedFile]:
    """The file's content, or what comes on standard input. Raises UnenrollError, also amid reading it."""
    try:
        if file == STANDARD_INPUT:
            yield OpenedFile(sys.stdin.buffer, _itself)
            return
        with file.open("rb") as raw, _content(raw) as content:
            yield content
    except _DAMAGED as error:
        raise UnenrollError(f"{file} is damaged or cut off: {error}") from error
    except OSError as error:
        raise UnenrollError(f"cannot read {file}: {error.strerror or error}") from error


@contextmanager
def _content(raw: BinaryIO) -> Iterator[OpenedFile]:
    beginning = raw.read(max(map(len, (*_MAGIC, _ZSTANDARD))))
    raw.seek(0)
    if beginning.startswith(_ZSTANDARD):
        with _unpacked(raw) as content:
            yield content
        return
    for magic, kind in _MAGIC.items():
        if beginning.startswith(magic):
            with cast(BinaryIO, kind(raw)) as stream:
                yield OpenedFile(stream, _Position(raw.tell).advanced)
            return
    yield OpenedFile(raw, _itself)


@contextmanager
def _unpacked(raw: BinaryIO) -> Iterator[OpenedFile]:
    """What Zstandard has compressed. The library reads and writes whole files, so this takes their room on disk."""
    size = os.fstat(raw.fileno()).st_size
    with NamedTemporaryFile() as copy, NamedTemporaryFile() as stream:
        shutil.copyfileobj(raw, copy)
        copy.flush()
        length = cramjam.zstd.decompress_into(cramjam.File(copy.name, truncate=False), cramjam.File(stream.name))
        yield OpenedFile(cast(BinaryIO, stream), _Position(lambda: stream.tell() * size // max(length, 1)).advanced)


def _itself(count: int) -> int:
    return count


class _Position:
    def __init__(self, tell: Callable[[], int]) -> None:
        self._tell = tell
        self._known = 0

    def advanced(self, _: int) -> int:
        now = self._tell()
        done, self._known = now - self._known, now
        return done


_PIECE = 1024 * 1024


def check_files(files: Sequence[Path]) -> None:
    """Raise UsageError that names each file that is not there or cannot be read."""
    flaws = [flaw for file in files if file != STANDARD_INPUT and (flaw := _flaw(file))]
    if files.count(STANDARD_INPUT) > 1:
        flaws.append("- is named twice, and standard input can be read once")
    if flaws:
        raise UsageError("; ".join(flaws))


def check_whole(files: Sequence[Path]) -> None:
    """Raise UsageError that names each file that is cut off, damaged, or holds something else than lines of JSON.

    What comes on standard input cannot be read twice, so it is not looked at.
    """
    flaws = [flaw for file in files if file != STANDARD_INPUT and (flaw := _flaw_within(file))]
    if flaws:
        raise UsageError("; ".join(flaws))


def total_bytes(files: Sequence[Path]) -> int | None:
    """How many bytes the files have together, or None if one of them does not say."""
    if not all(file.is_file() for file in files):
        return None
    return sum(file.stat().st_size for file in files)


def _flaw(file: Path) -> str | None:
    if not file.exists():
        return f"there is no file {file}"
    if file.is_dir():
        return f"{file} is a directory"
    return None if os.access(file, os.R_OK) else f"{file} cannot be read"


def _flaw_within(file: Path) -> str | None:
    try:
        with open_file(file) as (stream, _):
            piece = stream.read(_PIECE)
            if piece.strip() and not piece.lstrip().startswith(b"{"):
                return f"{file} does not begin with a line of JSON"
            while piece:
                piece = stream.read(_PIECE)
    except UnenrollError as error:
        return str(error)
    return None


def new_file(path: Path, what: str, *, read: Sequence[Path]) -> BinaryIO:
    """The file, empty, to write this to. Raises UsageError if it cannot be, or if it is one of those that are read."""
    try:
        if path.exists() and any(file.exists() and path.samefile(file) for file in read):
            raise UsageError(f"{path} is one of the files to read, so {what} cannot be written to it")
        return path.open("wb")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


LONGEST = 1024 * 1024
TOO_LONG = DeadLetter(reason="line_too_long", detail=f"is longer than {LONGEST} bytes")


class LinePart(Enum):
    """What of a line there is: all of it, or a piece of one that is too long."""

    WHOLE = "whole"
    FIRST = "first"
    LATER = "later"


class Line(NamedTuple):
    """A line as it was, its end included, or a part of one. `number` counts the lines of its file from 1."""

    file: str
    number: int
    content: bytes
    part: LinePart = LinePart.WHOLE


def lines(files: Iterable[Path], read: Callable[[int], None]) -> Iterator[Line]:
    """The lines of the files, blank ones left out. Raises UnenrollError if a file fails.

    `read` is told how many bytes of a file are done with.
    """
    for file in files:
        with open_file(file) as (stream, advanced):
            for line in _lines(str(file), stream):
                if line.part is not LinePart.WHOLE or line.content.strip():
                    yield line
                read(advanced(len(line.content)))


def _lines(name: str, stream: BinaryIO) -> Iterator[Line]:
    number, goes_on = 0, False
    while content := stream.readline(LONGEST + 1):
        part = LinePart.LATER if goes_on else LinePart.WHOLE
        if not goes_on:
            number += 1
            part = LinePart.FIRST if len(content) > LONGEST and not content.endswith(b"\n") else LinePart.WHOLE
        yield Line(name, number, content, part)
        goes_on = part is not LinePart.WHOLE and not content.endswith(b"\n")
