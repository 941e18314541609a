"""What became of each request of a plan, counted, and written to a file one a line."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec.json

from unenroll.apply.verdicts import Result, Verdict
from unenroll.errors import UnenrollError, UsageError

MOST_NAMED = 20

_JSON = msgspec.json.Encoder().encode


class Report:
    """How many requests came out in each way, and the first of those that did not come out as predicted."""

    def __init__(self, file: BinaryIO | None) -> None:
        self.counts: Counter[Result] = Counter()
        self.named: list[Verdict] = []
        self._file = file

    def add(self, verdict: Verdict) -> None:
        """One request more."""
        self.counts[verdict.result] += 1
        if verdict.result is not Result.AS_PREDICTED and len(self.named) < MOST_NAMED:
            self.named.append(verdict)
        if self._file is not None:
            self._file.write(_JSON(verdict) + b"\n")


@contextmanager
def report(path: Path | None) -> Iterator[Report]:
    """A report, in this file if there is to be one. Raises UsageError or UnenrollError if it cannot be written."""
    if path is None:
        yield Report(None)
        return
    try:
        file = path.open("wb")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    try:
        with file:
            yield Report(file)
    except OSError as error:
        raise UnenrollError(f"cannot write {path}: {error.strerror}") from error
