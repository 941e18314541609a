"""What became of each request of a plan: counted, and written to files if there are to be any."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec.json

from unenroll.apply.verdicts import Result, Verdict
from unenroll.errors import UnenrollError
from unenroll.ndjson.made import made
from unenroll.plan.file import PlanFile
from unenroll.wire.planned import Planned, asked_again

MOST_NAMED = 20

_JSON = msgspec.json.Encoder().encode


class Report:
    """How many requests came out in each way, and the first of those that did not come out as predicted.

    `told` takes every verdict, one a line; `stale` the requests that were stale, to be planned again: their ids get the
    `mark`.
    """

    def __init__(self, *, told: BinaryIO | None, stale: BinaryIO | None, mark: str) -> None:
        self.counts: Counter[Result] = Counter()
        self.named: list[Verdict] = []
        self._told = told
        self._stale = stale
        self._mark = mark

    def add(self, planned: Planned, verdict: Verdict) -> None:
        """One request more."""
        self.counts[verdict.result] += 1
        if verdict.result is not Result.AS_PREDICTED and len(self.named) < MOST_NAMED:
            self.named.append(verdict)
        if self._told is not None:
            self._told.write(_JSON(verdict) + b"\n")
        if self._stale is not None and verdict.result is Result.STALE:
            self._stale.write(asked_again(planned.request, mark=self._mark))


@contextmanager
def report(told: Path | None, stale: Path | None, *, plan: PlanFile) -> Iterator[Report]:
    """A report on the plan, in these files. Raises UsageError or UnenrollError if one of them cannot be written."""
    with ExitStack() as stack:
        told_file = _made(stack, told, "the report", read=[plan.path])
        stale_file = _made(stack, stale, "stale requests", read=[plan.path, *([told] if told else [])])
        try:
            yield Report(told=told_file, stale=stale_file, mark=f"~{plan.sha256[:8]}")
            stack.close()
        except OSError as error:
            raise UnenrollError(f"cannot write the report: {error.strerror}") from error


def _made(stack: ExitStack, path: Path | None, what: str, *, read: Sequence[Path]) -> BinaryIO | None:
    return None if path is None else stack.enter_context(made(path, what, read=read))
