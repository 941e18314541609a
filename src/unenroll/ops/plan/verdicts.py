"""Compare what the lanes decided about a plan's requests with the plan, and report the differences."""

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
from unenroll.ops.plan.lines import PlannedRequest, PredictedEvent, request_again
from unenroll.postgres.plans import DecidedRequest

MAX_LISTED = 20

_JSON = msgspec.json.Encoder().encode


class RequestResult(StrEnum):
    """How the decision of a request compares with the plan."""

    AS_PREDICTED = "AS_PREDICTED"
    STALE = "STALE"
    DIFFERENT = "DIFFERENT"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestVerdict:
    """A request, its predicted and its actual outcome, and sentences that say why they differ."""

    result: RequestResult
    customer_id: int
    target_id: int
    id: str
    source: str
    predicted: Outcome
    decided: Outcome | None
    why: tuple[str, ...]


def judge_request(
    planned: PlannedRequest, decided: DecidedRequest | None, published: Iterable[PredictedEvent]
) -> RequestVerdict:
    """Compare the request with its decision, None if it has none, and with the events that it published. Pure."""
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
        return RequestResult.UNDECIDED, ("No lane has decided it yet, or it is in `unenroll dlq list`.",)
    if decided.outcome is Outcome.PLAN_STALE:
        return RequestResult.STALE, (OUTCOMES[Outcome.PLAN_STALE],)
    why = tuple(_differences(planned, decided, published))
    return RequestResult.DIFFERENT if why else RequestResult.AS_PREDICTED, why


def _differences(planned: PlannedRequest, decided: DecidedRequest, published: list[PredictedEvent]) -> Iterator[str]:
    prediction = planned.predicted
    if decided.outcome is not prediction.outcome:
        yield f"outcome {decided.outcome} instead of {prediction.outcome}"
    if decided.decision != prediction.decision:
        yield f"decision {decided.decision} on the account instead of {prediction.decision}"
    expected, actual = _by_id(prediction.events), _by_id(published)
    yield from (f"{event.type} {key} was not published" for key, event in expected.items() if key not in actual)
    yield from (f"{event.type} {key} was not predicted" for key, event in actual.items() if key not in expected)
    for key in expected.keys() & actual.keys():
        if expected[key] != actual[key]:
            yield f"{actual[key].type} {key} was published as {bytes(actual[key].data).decode()}"


def _by_id(events: Iterable[PredictedEvent]) -> dict[str, PredictedEvent]:
    return {event.id: event for event in events}


class ApplyReport:
    """Counts requests by result, and lists the first that were not decided as predicted.

    Writes every verdict to `verdicts`, one a line. Writes stale requests to `stale` so that they can be planned again;
    `suffix` makes their ids new.
    """

    def __init__(self, *, verdicts: BinaryIO | None, stale: BinaryIO | None, suffix: str) -> None:
        self.counts: Counter[RequestResult] = Counter()
        self.listed: list[RequestVerdict] = []
        self._verdicts = verdicts
        self._stale = stale
        self._suffix = suffix

    def add(self, planned: PlannedRequest, verdict: RequestVerdict) -> None:
        """Add one request."""
        self.counts[verdict.result] += 1
        if verdict.result is not RequestResult.AS_PREDICTED and len(self.listed) < MAX_LISTED:
            self.listed.append(verdict)
        if self._verdicts is not None:
            self._verdicts.write(_JSON(verdict) + b"\n")
        if self._stale is not None and verdict.result is RequestResult.STALE:
            self._stale.write(request_again(planned.request, suffix=self._suffix))


@contextmanager
def apply_report(report: Path | None, stale: Path | None, *, plan: PlanFile) -> Iterator[ApplyReport]:
    """A report on the plan in these files. Raises UsageError or UnenrollError if one of them cannot be written."""
    with ExitStack() as stack:
        report_file = _open(stack, report, "the report", inputs=[plan.path])
        stale_file = _open(stack, stale, "stale requests", inputs=[plan.path, *([report] if report else [])])
        try:
            yield ApplyReport(verdicts=report_file, stale=stale_file, suffix=f"~{plan.sha256[:8]}")
            stack.close()
        except OSError as error:
            raise UnenrollError(f"cannot write the report: {error.strerror}") from error


def _open(stack: ExitStack, path: Path | None, content: str, *, inputs: Sequence[Path]) -> BinaryIO | None:
    return None if path is None else stack.enter_context(new_file(path, content, inputs=inputs))
