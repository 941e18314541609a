"""Files as they are, or as they were before they were compressed: told by how they begin, not by their names."""

import bz2
import gzip
import lzma
import os
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, NamedTuple, cast

import cramjam

from unenroll.errors import UnenrollError

STANDARD_INPUT = Path("-")

_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_MAGIC: dict[bytes, Callable[[BinaryIO], object]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, cramjam.DecompressionError)


class Opened(NamedTuple):
    """The content of a file. `advanced` is told the bytes read, and says how many of the file's own those were."""

    stream: BinaryIO
    advanced: Callable[[int], int]


@contextmanager
def opened(file: Path) -> Iterator[Opened]:
    """The file's content, or what comes on standard input. Raises UnenrollError, also amid reading it."""
    try:
        if file == STANDARD_INPUT:
            yield Opened(sys.stdin.buffer, _itself)
            return
        with file.open("rb") as raw, _content(raw) as content:
            yield content
    except _DAMAGED as error:
        raise UnenrollError(f"{file} is damaged or cut off: {error}") from error
    except OSError as error:
        raise UnenrollError(f"cannot read {file}: {error.strerror or error}") from error


@contextmanager
def _content(raw: BinaryIO) -> Iterator[Opened]:
    beginning = raw.read(max(map(len, (*_MAGIC, _ZSTANDARD))))
    raw.seek(0)
    if beginning.startswith(_ZSTANDARD):
        with _unpacked(raw) as content:
            yield content
        return
    for magic, kind in _MAGIC.items():
        if beginning.startswith(magic):
            with cast(BinaryIO, kind(raw)) as stream:
                yield Opened(stream, _Position(raw.tell).advanced)
            return
    yield Opened(raw, _itself)


@contextmanager
def _unpacked(raw: BinaryIO) -> Iterator[Opened]:
    """What Zstandard has compressed. The library reads and writes whole files, so this takes their room on disk."""
    size = os.fstat(raw.fileno()).st_size
    with NamedTemporaryFile() as copy, NamedTemporaryFile() as stream:
        shutil.copyfileobj(raw, copy)
        copy.flush()
        length = cramjam.zstd.decompress_into(cramjam.File(copy.name, truncate=False), cramjam.File(stream.name))
        yield Opened(cast(BinaryIO, stream), _Position(lambda: stream.tell() * size // max(length, 1)).advanced)


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
