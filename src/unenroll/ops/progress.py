"""Progress and bad lines of a command, on standard error: a bar on a terminal, else a line every few seconds."""

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
from unenroll.text import duration, escape_control, plural
from unenroll.wire.reasons import DeadLetter

SECONDS_BETWEEN_LINES = 5.0
MAX_LISTED = 20

Advance = Callable[[int], None]
"""Adds to the work that is done."""


@dataclass(frozen=True, slots=True)
class ProgressUnit:
    """How to write an amount of work as text, and as a column of a progress bar."""

    text: Callable[[int], str]
    column: Callable[[], ProgressColumn]


BYTES = ProgressUnit(decimal, DownloadColumn)


def count_unit(noun: str) -> ProgressUnit:
    """Progress in items with this plural noun."""
    return ProgressUnit(lambda count: f"{count:,} {noun}", MofNCompleteColumn)


@contextmanager
def progress(activity: str, total: int | None, unit: ProgressUnit = BYTES) -> Iterator[Advance]:
    """Show progress while the block runs. Yields a function to call with the amount just done.

    `total` is the amount of all work, None if unknown.
    """
    if not sys.stderr.isatty():
        yield _ProgressLines(activity, total, unit).advance
        return
    columns = (TextColumn("{task.description}"), BarColumn(), unit.column(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(activity, total=total)
        yield lambda count: bar.advance(task, count)


class _ProgressLines:
    def __init__(self, activity: str, total: int | None, unit: ProgressUnit) -> None:
        self._activity = activity
        self._total = total
        self._text = unit.text
        self._done = 0
        self._began = monotonic()
        self._next = self._began + SECONDS_BETWEEN_LINES

    def advance(self, count: int) -> None:
        self._done += count
        if monotonic() >= self._next:
            self._next = monotonic() + SECONDS_BETWEEN_LINES
            sys.stderr.write(f"{self._activity}: {self._text(self._done)}{self._remaining()}\n")

    def _remaining(self) -> str:
        if self._total is None or not self._done:
            return ""
        seconds = (monotonic() - self._began) * max(0, self._total - self._done) / self._done
        return f" of {self._text(self._total)}, {duration(timedelta(seconds=seconds))} left"


class BadLines:
    """Counts bad lines, prints the first of them with the reason, and copies all of them unchanged to `rejects`."""

    def __init__(self, rejects: BinaryIO | None) -> None:
        self.count = 0
        self._rejects = rejects
        self._line_ended = True

    def add(self, line: Line, why: DeadLetter) -> None:
        """Add a bad line, or a later part of the last one. Raises UnenrollError if it cannot be written."""
        if line.part is not LinePart.LATER:
            self.count += 1
            if self.count <= MAX_LISTED:
                sys.stderr.write(
                    f"{escape_control(line.file)}:{line.number}: {why.reason}: {escape_control(why.detail)}\n"
                )
            if not self._line_ended:
                self._write(b"\n")
        self._write(line.content)
        self._line_ended = line.content.endswith(b"\n")

    def end(self) -> None:
        """Print how many lines were not listed. Raises UnenrollError if the bad lines cannot be written."""
        if self.count > MAX_LISTED:
            sys.stderr.write(f"and {plural(self.count - MAX_LISTED, 'more bad line')}\n")
        if self._rejects is not None:
            try:
                self._rejects.close()
            except OSError as error:
                raise _write_error(self._rejects, error) from error

    def _write(self, content: bytes) -> None:
        if self._rejects is not None:
            try:
                self._rejects.write(content)
            except OSError as error:
                raise _write_error(self._rejects, error) from error


@contextmanager
def bad_lines(files: Sequence[Path], rejects: Path | None = None) -> Iterator[BadLines]:
    """A collector for the bad lines of these files. Raises UsageError if `rejects` cannot be written."""
    bad = BadLines(None if rejects is None else new_file(rejects, "bad lines", inputs=files))
    try:
        yield bad
    finally:
        bad.end()


def _write_error(rejects: BinaryIO, error: OSError) -> UnenrollError:
    return UnenrollError(f"cannot write {rejects.name}: {error.strerror}")
