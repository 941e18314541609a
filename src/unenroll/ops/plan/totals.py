"""What a plan does in all: counted by group, cycle, rule and unit of value."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from pydantic_core import from_json

from unenroll.core.definitions import DefinitionSet
from unenroll.core.outcomes import Outcome
from unenroll.errors import UsageError
from unenroll.ops.plan.lines import PlannedEvent, Prediction


@dataclass(frozen=True, kw_only=True, slots=True)
class DroppedCycles:
    """How many leaves drop the cycles of a group from this one on."""

    group_id: int
    period_name: str
    leaves: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RewardTotals:
    """Rewards of one cycle of a group that go the same way. `action` None: they are reinstated.

    `amount` is what they are worth together, in this unit; both are None of rewards without a value.
    """

    group_id: int
    period_name: str
    rule: str
    action: str | None
    unit: str | None
    rewards: int
    amount: Decimal | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanTotals:
    """Requests by outcome, cycles that fall, rewards that change; `cancelled` and `values` are of cancelled ones."""

    requests: int
    outcomes: Mapping[str, int]
    falls: tuple[DroppedCycles, ...]
    rewards: tuple[RewardTotals, ...]
    cancelled: int
    values: Mapping[str, Decimal]


class _Way(NamedTuple):
    group_id: int
    period_name: str
    rule: str
    action: str | None
    unit: str | None


@dataclass(slots=True)
class TotalsCounter:
    """The totals while a plan is made."""

    _outcomes: Counter[str] = field(default_factory=Counter)
    _falls: Counter[tuple[int, str]] = field(default_factory=Counter)
    _rewards: Counter[_Way] = field(default_factory=Counter)
    _amounts: defaultdict[_Way, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def count(self, predicted: Prediction) -> None:
        """One request more."""
        self._outcomes[predicted.outcome] += 1
        for event in predicted.events:
            data = from_json(bytes(event.data))
            if event.type == "UserUnenrolled" and data["droppedPeriods"]:
                self._falls[data["targetGroupId"], data["droppedPeriods"]["first"]] += 1
            elif event.type in {"RewardCancelled", "RewardReinstated"}:
                self._count_reward(data)

    def totals(self, definitions: DefinitionSet) -> PlanTotals:
        """All counted up to now, in the order of groups and their cycles."""
        cancelled = [way for way in self._rewards if way.action is not None]
        values: defaultdict[str, Decimal] = defaultdict(Decimal)
        for way in cancelled:
            if way.unit is not None:
                values[way.unit] += self._amounts[way]
        place = _Places(definitions).place
        return PlanTotals(
            requests=self._outcomes.total(),
            outcomes=dict(sorted(self._outcomes.items())),
            falls=tuple(
                DroppedCycles(group_id=group_id, period_name=name, leaves=self._falls[group_id, name])
                for group_id, name in sorted(self._falls, key=place)
            ),
            rewards=tuple(self._told(way) for way in sorted(self._rewards, key=lambda way: (*place(way), str(way)))),
            cancelled=sum(self._rewards[way] for way in cancelled),
            values=dict(sorted(values.items())),
        )

    def _count_reward(self, data: Mapping[str, Any]) -> None:
        value = data["value"]
        unit = None if value is None else value["unit"]
        way = _Way(data["targetGroupId"], data["periodName"], data["rule"], data.get("action"), unit)
        self._rewards[way] += 1
        if value is not None:
            self._amounts[way] += Decimal(value["amount"])

    def _told(self, way: _Way) -> RewardTotals:
        amount = None if way.unit is None else self._amounts[way]
        return RewardTotals(**way._asdict(), rewards=self._rewards[way], amount=amount)


class _Places(NamedTuple):
    definitions: DefinitionSet

    def place(self, way: _Way | tuple[int, str]) -> tuple[int, int]:
        group_id, name = way[:2]
        cycle = self.definitions.groups[group_id].calendar.named(name)
        return group_id, 0 if cycle is None else cycle.number


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanLimits:
    """At most so many cancelled rewards, None: any number, worth at most so much in each of these units."""

    rewards: int | None
    values: Mapping[str, Decimal]

    def exceeded(self, totals: PlanTotals) -> Iterator[str]:
        """In what the plan goes beyond them."""
        if self.rewards is not None and totals.cancelled > self.rewards:
            yield f"it cancels {totals.cancelled} rewards, and at most {self.rewards} are allowed"
        for unit, most in self.values.items():
            worth = totals.values.get(unit, Decimal(0))
            if worth > most:
                yield f"it cancels {worth:f} {unit}, and at most {most:f} are allowed"


def read_limits(rewards: int | None, values: Sequence[str]) -> PlanLimits:
    """The limits in these words, each value `UNIT=AMOUNT`. Raises UsageError."""
    return PlanLimits(rewards=rewards, values=dict(_value(text) for text in values))


def _value(text: str) -> tuple[str, Decimal]:
    unit, _, amount = text.rpartition("=")
    try:
        most = Decimal(amount)
    except InvalidOperation:
        most = Decimal("NaN")
    if not unit or not most.is_finite():
        raise UsageError(f"--max-value {text}: must be UNIT=AMOUNT, like EUR=1000.00")
    return unit, most


_Data = Mapping[str, Any]
_Told = tuple[str, _Data]


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestSample:
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


def sample(request: PlannedEvent, predicted: Prediction) -> RequestSample:
    """The request as it is shown."""
    event = request.received.event
    told: list[_Told] = [(one.type, from_json(bytes(one.data))) for one in predicted.events]
    own: _Data = next((data for kind, data in told if kind == "UserUnenrolled"), {})
    refusal: _Data = next((data for kind, data in told if kind == "UnenrollRejected"), {})
    return RequestSample(
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
