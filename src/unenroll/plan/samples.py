"""The first requests of a plan, as they are shown to a person."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from unenroll.core.outcomes import Outcome
from unenroll.wire.planned import Prediction, Request

_Data = Mapping[str, Any]
_Told = tuple[str, _Data]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One request and what it will get. `detail` is a refusal's sentence, the rest is in words."""

    customer_id: int
    target_id: int
    id: str
    source: str
    outcome: Outcome
    code: int | None
    detail: str | None
    falls: str | None
    stays: str | None
    rewards: tuple[str, ...]
    kept: tuple[str, ...]


def sample(request: Request, predicted: Prediction) -> Sample:
    """The request as it is shown."""
    event = request.received.event
    told: list[_Told] = [(one.type, from_json(bytes(one.data))) for one in predicted.events]
    own: _Data = next((data for kind, data in told if kind == "UserUnenrolled"), {})
    refusal: _Data = next((data for kind, data in told if kind == "UnenrollRejected"), {})
    return Sample(
        customer_id=event.customer_id,
        target_id=event.target_id,
        id=event.key.id,
        source=event.key.source,
        outcome=predicted.outcome,
        code=predicted.outcome.code,
        detail=refusal.get("detail"),
        falls=_span(own.get("droppedPeriods")),
        stays=_span(own.get("keptPeriods")),
        rewards=tuple(_rewards(told)),
        kept=tuple(f"{kept.reward_id} {kept.rule}" for kept in predicted.kept),
    )


def _span(span: _Data | None) -> str | None:
    if not span:
        return None
    first, last = str(span["first"]), str(span["last"])
    return first if first == last else f"{first}\u2013{last}"


def _rewards(told: list[_Told]) -> Iterator[str]:
    for _, data in told:
        if "rewardId" in data:
            value = data["value"]
            worth = f", {value['amount']} {value['unit']}" if value else ""
            yield f"{data['rewardId']} {data.get('action', 'REINSTATED')} ({data['rule']}{worth})"
