"""How far a command is in its files: a bar on a terminal, now and then a line in a pipe. On standard error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 5.0

Read = Callable[[int], None]


@contextmanager
def progress(doing: str, total: int | None) -> Iterator[Read]:
    """A function to be told how many bytes more are done. `total` is how many there are, None if nobody knows."""
    if not sys.stderr.isatty():
        yield _Lines(doing, total).read
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda count: bar.advance(task, count)


class _Lines:
    def __init__(self, doing: str, total: int | None) -> None:
        self._doing = doing
        self._of = "" if total is None else f" of {decimal(total)}"
        self._done = 0
        self._next = monotonic() + SECONDS_BETWEEN_LINES

    def read(self, count: int) -> None:
        self._done += count
        if monotonic() >= self._next:
            self._next = monotonic() + SECONDS_BETWEEN_LINES
            sys.stderr.write(f"{self._doing}: {decimal(self._done)}{self._of}\n")
