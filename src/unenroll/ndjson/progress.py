"""How far a command is: a bar on a terminal, now and then a line in a pipe. On standard error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

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

from unenroll.moments import duration

SECONDS_BETWEEN_LINES = 5.0

Read = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Measure:
    """What is counted: how a number of it is written, and how on a bar."""

    written: Callable[[int], str]
    column: Callable[[], ProgressColumn]


BYTES = Measure(decimal, DownloadColumn)


def counted(what: str) -> Measure:
    """So many of these."""
    return Measure(lambda count: f"{count:,} {what}", MofNCompleteColumn)


@contextmanager
def progress(doing: str, total: int | None, measure: Measure = BYTES) -> Iterator[Read]:
    """A function to be told how much more is done. `total` is how much there is, None if nobody knows."""
    if not sys.stderr.isatty():
        yield _Lines(doing, total, measure).read
        return
    columns = (TextColumn("{task.description}"), BarColumn(), measure.column(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda count: bar.advance(task, count)


class _Lines:
    def __init__(self, doing: str, total: int | None, measure: Measure) -> None:
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
