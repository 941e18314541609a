"""What the lanes decided of a plan's request, held against what the plan predicted. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import msgspec.json

from unenroll.core.outcomes import Outcome
from unenroll.core.sentences import OUTCOMES
from unenroll.errors import UnenrollError
from unenroll.ops.files import new_file
from unenroll.ops.plan.file import PlanFile
from unenroll.ops.plan.lines import PlannedRequest, PredictedEvent, repeated_request
from unenroll.postgres.plans import DecidedRequest


class RequestResult(StrEnum):
    """What became of a request of a plan."""

    AS_PREDICTED = "AS_PREDICTED"
    STALE = "STALE"
    DIFFERENT = "DIFFERENT"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestVerdict:
    """A request, what it was to get and what it got, and in words why it is not as predicted."""

    result: RequestResult
    customer_id: int
    target_id: int
    id: str
    source: str
    predicted: Outcome
    decided: Outcome | None
    why: tuple[str, ...]


def judge_requests(
    planned: PlannedRequest, decided: DecidedRequest | None, published: Iterable[PredictedEvent]
) -> RequestVerdict:
    """The verdict on a request: what the ledger says of it, if anything, and what was published for it."""
    result, why = _result(planned, decided, list(published))
    event = planned.request.received.event
    return RequestVerdict(
        result=result,
        customer_id=event.customer_id,
        target_id=event.target_id,
        id=event.key.id,
        source=event.key.source,
        predicted=planned.predicted.outcome,
        decided=None if decided is None else decided.outcome,
        why=why,
    )


def _result(
    planned: PlannedRequest, decided: DecidedRequest | None, published: list[PredictedEvent]
) -> tuple[RequestResult, tuple[str, ...]]:
    if decided is None:
        return RequestResult.UNDECIDED, (
            "No lane has decided it yet, unless it was dead-lettered: see `unenroll dlq list`.",
        )
    if decided.outcome is Outcome.PLAN_STALE:
        return RequestResult.STALE, (OUTCOMES[Outcome.PLAN_STALE],)
    why = tuple(_differences(planned, decided, published))
    return RequestResult.DIFFERENT if why else RequestResult.AS_PREDICTED, why


def _differences(planned: PlannedRequest, decided: DecidedRequest, published: list[PredictedEvent]) -> Iterator[str]:
    predicted = planned.predicted
    if decided.outcome is not predicted.outcome:
        yield f"{decided.outcome} instead of {predicted.outcome}"
    if decided.decision != predicted.decision:
        yield f"decision {decided.decision} on the account instead of {predicted.decision}"
    foretold, found = _by_id(predicted.events), _by_id(published)
    yield from (f"no {event.type} {key}" for key, event in foretold.items() if key not in found)
    yield from (f"{event.type} {key} was not predicted" for key, event in found.items() if key not in foretold)
    for key in foretold.keys() & found.keys():
        if foretold[key] != found[key]:
            yield f"{found[key].type} {key} says {bytes(found[key].data).decode()}"


def _by_id(events: Iterable[PredictedEvent]) -> dict[str, PredictedEvent]:
    return {event.id: event for event in events}


MOST_NAMED = 20

_JSON = msgspec.json.Encoder().encode


class ApplyReport:
    """How many requests came out in each way, and the first of those that did not come out as predicted.

    `told` takes every verdict, one a line; `stale` the requests that were stale, to be planned again: their ids get the
    `mark`.
    """

    def __init__(self, *, told: BinaryIO | None, stale: BinaryIO | None, mark: str) -> None:
        self.counts: Counter[RequestResult] = Counter()
        self.named: list[RequestVerdict] = []
        self._told = told
        self._stale = stale
        self._mark = mark

    def add(self, planned: PlannedRequest, verdict: RequestVerdict) -> None:
        """One request more."""
        self.counts[verdict.result] += 1
        if verdict.result is not RequestResult.AS_PREDICTED and len(self.named) < MOST_NAMED:
            self.named.append(verdict)
        if self._told is not None:
            self._told.write(_JSON(verdict) + b"\n")
        if self._stale is not None and verdict.result is RequestResult.STALE:
            self._stale.write(repeated_request(planned.request, mark=self._mark))


@contextmanager
def apply_report(told: Path | None, stale: Path | None, *, plan: PlanFile) -> Iterator[ApplyReport]:
    """A report on the plan, in these files. Raises UsageError or UnenrollError if one of them cannot be written."""
    with ExitStack() as stack:
        told_file = _made(stack, told, "the report", read=[plan.path])
        stale_file = _made(stack, stale, "stale requests", read=[plan.path, *([told] if told else [])])
        try:
            yield ApplyReport(told=told_file, stale=stale_file, mark=f"~{plan.sha256[:8]}")
            stack.close()
        except OSError as error:
            raise UnenrollError(f"cannot write the report: {error.strerror}") from error


def _made(stack: ExitStack, path: Path | None, what: str, *, read: Sequence[Path]) -> BinaryIO | None:
    return None if path is None else stack.enter_context(new_file(path, what, read=read))
