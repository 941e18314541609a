"""Files to write, none of which may be one that is read."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from unenroll.errors import UsageError


def made(path: Path, what: str, *, read: Sequence[Path]) -> BinaryIO:
    """The file, empty, to write this to. Raises UsageError if it cannot be, or if it is one of those that are read."""
    try:
        if path.exists() and any(file.exists() and path.samefile(file) for file in read):
            raise UsageError(f"{path} is one of the files to read, so {what} cannot be written to it")
        return path.open("wb")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
