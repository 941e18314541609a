"""How far a command is: a bar on a terminal, now and then a line in a pipe. On standard error."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import BinaryIO

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from unenroll.errors import UnenrollError
from unenroll.ops.files import Line, LinePart, new_file
from unenroll.text import duration, escape_control
from unenroll.wire.reasons import DeadLetter

SECONDS_BETWEEN_LINES = 5.0

Read = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class ProgressUnit:
    """What is counted: how a number of it is written, and how on a bar."""

    written: Callable[[int], str]
    column: Callable[[], ProgressColumn]


BYTES = ProgressUnit(decimal, DownloadColumn)


def counted(what: str) -> ProgressUnit:
    """So many of these."""
    return ProgressUnit(lambda count: f"{count:,} {what}", MofNCompleteColumn)


@contextmanager
def progress(doing: str, total: int | None, measure: ProgressUnit = BYTES) -> Iterator[Read]:
    """A function to be told how much more is done. `total` is how much there is, None if nobody knows."""
    if not sys.stderr.isatty():
        yield _Lines(doing, total, measure).read
        return
    columns = (TextColumn("{task.description}"), BarColumn(), measure.column(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda count: bar.advance(task, count)


class _Lines:
    def __init__(self, doing: str, total: int | None, measure: ProgressUnit) -> None:
        self._doing = doing
        self._total = total
        self._written = measure.written
        self._done = 0
        self._began = monotonic()
        self._next = self._began + SECONDS_BETWEEN_LINES

    def read(self, count: int) -> None:
        self._done += count
        if monotonic() >= self._next:
            self._next = monotonic() + SECONDS_BETWEEN_LINES
            sys.stderr.write(f"{self._doing}: {self._written(self._done)}{self._of()}\n")

    def _of(self) -> str:
        if self._total is None or not self._done:
            return ""
        left = (monotonic() - self._began) * max(0, self._total - self._done) / self._done
        return f" of {self._written(self._total)}, {duration(timedelta(seconds=left))} left"


MOST_TOLD = 20


class BadLines:
    """How many there were. `rejects` takes them as they were, one a line."""

    def __init__(self, rejects: BinaryIO | None) -> None:
        self.count = 0
        self._rejects = rejects
        self._ended = True

    def add(self, line: Line, why: DeadLetter) -> None:
        """One more, or a later part of the last one. Raises UnenrollError if it cannot be kept."""
        if line.part is not LinePart.LATER:
            self.count += 1
            if self.count <= MOST_TOLD:
                sys.stderr.write(
                    f"{escape_control(line.file)}:{line.number}: {why.reason}: {escape_control(why.detail)}\n"
                )
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
    bad = BadLines(None if rejects is None else new_file(rejects, "bad lines", read=files))
    try:
        yield bad
    finally:
        bad.end()


def _unkept(rejects: BinaryIO, error: OSError) -> UnenrollError:
    return UnenrollError(f"cannot write {rejects.name}: {error.strerror}")
