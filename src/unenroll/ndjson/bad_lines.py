"""Bad lines: told of on standard error, the first of them, and kept as they were in a file."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from unenroll.errors import UnenrollError
from unenroll.legible import legible
from unenroll.ndjson.lines import Line, Part
from unenroll.ndjson.made import made
from unenroll.wire.refusals import DeadLetter

MOST_TOLD = 20


class BadLines:
    """How many there were. `rejects` takes them as they were, one a line."""

    def __init__(self, rejects: BinaryIO | None) -> None:
        self.count = 0
        self._rejects = rejects
        self._ended = True

    def add(self, line: Line, why: DeadLetter) -> None:
        """One more, or a later part of the last one. Raises UnenrollError if it cannot be kept."""
        if line.part is not Part.LATER:
            self.count += 1
            if self.count <= MOST_TOLD:
                sys.stderr.write(f"{legible(line.file)}:{line.number}: {why.reason}: {legible(why.detail)}\n")
            if not self._ended:
                self._keep(b"\n")
        self._keep(line.content)
        self._ended = line.content.endswith(b"\n")

    def end(self) -> None:
        """Say how many more there were than were told of. Raises UnenrollError if they could not be kept."""
        if self.count > MOST_TOLD:
            sys.stderr.write(f"and {self.count - MOST_TOLD} more bad lines\n")
        if self._rejects is not None:
            try:
                self._rejects.close()
            except OSError as error:
                raise _unkept(self._rejects, error) from error

    def _keep(self, content: bytes) -> None:
        if self._rejects is not None:
            try:
                self._rejects.write(content)
            except OSError as error:
                raise _unkept(self._rejects, error) from error


@contextmanager
def bad_lines(files: Sequence[Path], rejects: Path | None = None) -> Iterator[BadLines]:
    """The bad lines of these files. Raises UsageError if `rejects` cannot take them."""
    bad = BadLines(None if rejects is None else made(rejects, "bad lines", read=files))
    try:
        yield bad
    finally:
        bad.end()


def _unkept(rejects: BinaryIO, error: OSError) -> UnenrollError:
    return UnenrollError(f"cannot write {rejects.name}: {error.strerror}")
