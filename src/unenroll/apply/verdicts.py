"""What the lanes decided of a plan's request, held against what the plan predicted. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from unenroll.core.outcomes import Outcome
from unenroll.core.sentences import OUTCOMES
from unenroll.store.plans import DecidedRequest
from unenroll.wire.planned import Foretold, Planned


class Result(StrEnum):
    """What became of a request of a plan."""

    AS_PREDICTED = "AS_PREDICTED"
    STALE = "STALE"
    DIFFERENT = "DIFFERENT"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """A request, what it was to get and what it got, and in words why it is not as predicted."""

    result: Result
    customer_id: int
    target_id: int
    id: str
    source: str
    predicted: Outcome
    decided: Outcome | None
    why: tuple[str, ...]


def judge(planned: Planned, decided: DecidedRequest | None, published: Iterable[Foretold]) -> Verdict:
    """The verdict on a request: what the ledger says of it, if anything, and what was published for it."""
    result, why = _result(planned, decided, list(published))
    event = planned.request.received.event
    return Verdict(
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
    planned: Planned, decided: DecidedRequest | None, published: list[Foretold]
) -> tuple[Result, tuple[str, ...]]:
    if decided is None:
        return Result.UNDECIDED, ("No lane has decided it yet, unless it was dead-lettered: see `unenroll dlq list`.",)
    if decided.outcome is Outcome.PLAN_STALE:
        return Result.STALE, (OUTCOMES[Outcome.PLAN_STALE],)
    why = tuple(_differences(planned, decided, published))
    return Result.DIFFERENT if why else Result.AS_PREDICTED, why


def _differences(planned: Planned, decided: DecidedRequest, published: list[Foretold]) -> Iterator[str]:
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


def _by_id(events: Iterable[Foretold]) -> dict[str, Foretold]:
    return {event.id: event for event in events}
