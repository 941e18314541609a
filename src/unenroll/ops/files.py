"""Input and output files of commands: check them, decompress them, and read them line by line."""

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
MAX_LINE_BYTES = 1024 * 1024
LINE_TOO_LONG = DeadLetter(reason="line_too_long", detail=f"is longer than {MAX_LINE_BYTES} bytes")

_PIECE_BYTES = 1024 * 1024
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_MAGIC: dict[bytes, Callable[[BinaryIO], object]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, cramjam.DecompressionError)


def check_files(files: Sequence[Path]) -> None:
    """Raise UsageError that names each file that does not exist or cannot be read."""
    problems = [problem for file in files if file != STANDARD_INPUT and (problem := _access_problem(file))]
    if files.count(STANDARD_INPUT) > 1:
        problems.append("- is named twice, but standard input can be read only once")
    if problems:
        raise UsageError("; ".join(problems))


def check_contents(files: Sequence[Path]) -> None:
    """Raise UsageError that names each file that is truncated, damaged, or does not hold lines of JSON.

    Does not check standard input, because it cannot be read twice.
    """
    problems = [problem for file in files if file != STANDARD_INPUT and (problem := _content_problem(file))]
    if problems:
        raise UsageError("; ".join(problems))


def total_bytes(files: Sequence[Path]) -> int | None:
    """The total size of the files in bytes, or None if one is not a regular file."""
    if not all(file.is_file() for file in files):
        return None
    return sum(file.stat().st_size for file in files)


def new_file(path: Path, content: str, *, inputs: Sequence[Path]) -> BinaryIO:
    """An empty file for this content. Raises UsageError if it cannot be written or is one of the inputs."""
    try:
        if path.exists() and any(file.exists() and path.samefile(file) for file in inputs):
            raise UsageError(f"cannot write {content} to {path}: the command reads this file")
        return path.open("wb")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _access_problem(file: Path) -> str | None:
    if not file.exists():
        return f"there is no file {file}"
    if file.is_dir():
        return f"{file} is a directory"
    return None if os.access(file, os.R_OK) else f"{file} cannot be read"


def _content_problem(file: Path) -> str | None:
    try:
        with open_file(file) as (stream, _):
            piece = stream.read(_PIECE_BYTES)
            if piece.strip() and not piece.lstrip().startswith(b"{"):
                return f"{file} does not begin with a line of JSON"
            while piece:
                piece = stream.read(_PIECE_BYTES)
    except UnenrollError as error:
        return str(error)
    return None


class LinePart(Enum):
    """Whether this is a whole line, or the first or a later part of one that is too long."""

    WHOLE = "whole"
    FIRST = "first"
    LATER = "later"


class Line(NamedTuple):
    """A line with its line end, or a part of one. `number` counts the lines of the file from 1."""

    file: str
    number: int
    content: bytes
    part: LinePart = LinePart.WHOLE


def lines(files: Iterable[Path], advance: Callable[[int], None]) -> Iterator[Line]:
    """The lines of the files without blank ones. Raises UnenrollError if a file cannot be read.

    Calls `advance` with the number of bytes of the file that are done since the last call.
    """
    for file in files:
        with open_file(file) as (stream, file_bytes):
            for line in _lines(str(file), stream):
                if line.part is not LinePart.WHOLE or line.content.strip():
                    yield line
                advance(file_bytes(len(line.content)))


def _lines(name: str, stream: BinaryIO) -> Iterator[Line]:
    number, continues = 0, False
    while content := stream.readline(MAX_LINE_BYTES + 1):
        part = LinePart.LATER if continues else LinePart.WHOLE
        if not continues:
            number += 1
            part = LinePart.FIRST if len(content) > MAX_LINE_BYTES and not content.endswith(b"\n") else LinePart.WHOLE
        yield Line(name, number, content, part)
        continues = part is not LinePart.WHOLE and not content.endswith(b"\n")


class OpenedFile(NamedTuple):
    """The decompressed content of a file.

    `file_bytes` converts the number of bytes just read from `stream` to bytes of the file itself.
    """

    stream: BinaryIO
    file_bytes: Callable[[int], int]


@contextmanager
def open_file(file: Path) -> Iterator[OpenedFile]:
    """The decompressed content of the file, or standard input. Raises UnenrollError, also while it is read."""
    try:
        if file == STANDARD_INPUT:
            yield OpenedFile(sys.stdin.buffer, _uncompressed)
            return
        with file.open("rb") as raw, _decompressed(raw) as content:
            yield content
    except _DAMAGED as error:
        raise UnenrollError(f"{file} is damaged or truncated: {error}") from error
    except OSError as error:
        raise UnenrollError(f"cannot read {file}: {error.strerror or error}") from error


@contextmanager
def _decompressed(raw: BinaryIO) -> Iterator[OpenedFile]:
    beginning = raw.read(max(map(len, (*_MAGIC, _ZSTANDARD))))
    raw.seek(0)
    if beginning.startswith(_ZSTANDARD):
        with _zstandard(raw) as content:
            yield content
        return
    for magic, open_compressed in _MAGIC.items():
        if beginning.startswith(magic):
            with cast(BinaryIO, open_compressed(raw)) as stream:
                yield OpenedFile(stream, _FilePosition(raw.tell).advance)
            return
    yield OpenedFile(raw, _uncompressed)


@contextmanager
def _zstandard(raw: BinaryIO) -> Iterator[OpenedFile]:
    """Decompresses the whole file to a temporary one, because the library cannot decompress a stream."""
    size = os.fstat(raw.fileno()).st_size
    with NamedTemporaryFile() as copy, NamedTemporaryFile() as stream:
        shutil.copyfileobj(raw, copy)
        copy.flush()
        length = cramjam.zstd.decompress_into(cramjam.File(copy.name, truncate=False), cramjam.File(stream.name))
        position = _FilePosition(lambda: stream.tell() * size // max(length, 1))
        yield OpenedFile(cast(BinaryIO, stream), position.advance)


def _uncompressed(count: int) -> int:
    return count


class _FilePosition:
    def __init__(self, tell: Callable[[], int]) -> None:
        self._tell = tell
        self._last = 0

    def advance(self, _: int) -> int:
        """How far the position in the file moved since the last call."""
        now = self._tell()
        moved, self._last = now - self._last, now
        return moved
