"""Totals of a plan, the limits that they must not exceed, and samples of its requests."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from pydantic_core import from_json

from unenroll.core.definitions import TargetGroup
from unenroll.core.outcomes import Outcome
from unenroll.errors import UsageError
from unenroll.ops.plan.lines import ParsedRequest, Prediction

_Data = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class DroppedCycles:
    """How many leaves drop the cycles of a group, starting with this one."""

    group_id: int
    period_name: str
    leaves: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RewardTotals:
    """Rewards of one cycle that change by the same rule and action. `action` is None if they are reinstated.

    `amount` is their total value in `unit`; both are None for rewards without a value.
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
    """Requests by outcome, cycles that fall, and rewards that change.

    `cancelled` counts the cancelled rewards; `values` has their total value by unit.
    """

    requests: int
    outcomes: Mapping[str, int]
    falls: tuple[DroppedCycles, ...]
    rewards: tuple[RewardTotals, ...]
    cancelled: int
    values: Mapping[str, Decimal]


class _RewardChange(NamedTuple):
    group_id: int
    period_name: str
    rule: str
    action: str | None
    unit: str | None


@dataclass(slots=True)
class TotalsCounter:
    """Counts the totals while a plan is made."""

    _outcomes: Counter[str] = field(default_factory=Counter)
    _falls: Counter[tuple[int, str]] = field(default_factory=Counter)
    _rewards: Counter[_RewardChange] = field(default_factory=Counter)
    _amounts: defaultdict[_RewardChange, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def count(self, predicted: Prediction) -> None:
        """Count one more request."""
        self._outcomes[predicted.outcome] += 1
        for event in predicted.events:
            data = from_json(bytes(event.data))
            if event.type == "UserUnenrolled" and data["droppedPeriods"]:
                self._falls[data["targetGroupId"], data["droppedPeriods"]["first"]] += 1
            elif event.type in {"RewardCancelled", "RewardReinstated"}:
                self._count_reward(data)

    def totals(self, groups: Mapping[int, TargetGroup]) -> PlanTotals:
        """The totals so far, in the order of groups and their cycles."""

        def position(key: _RewardChange | tuple[int, str]) -> tuple[int, int]:
            group_id, name = key[:2]
            cycle = groups[group_id].calendar.cycle_named(name)
            return group_id, 0 if cycle is None else cycle.number

        cancelled = [change for change in self._rewards if change.action is not None]
        values: defaultdict[str, Decimal] = defaultdict(Decimal)
        for change in cancelled:
            if change.unit is not None:
                values[change.unit] += self._amounts[change]
        return PlanTotals(
            requests=self._outcomes.total(),
            outcomes=dict(sorted(self._outcomes.items())),
            falls=tuple(
                DroppedCycles(group_id=group_id, period_name=name, leaves=self._falls[group_id, name])
                for group_id, name in sorted(self._falls, key=position)
            ),
            rewards=tuple(
                self._reward_totals(change)
                for change in sorted(self._rewards, key=lambda change: (*position(change), str(change)))
            ),
            cancelled=sum(self._rewards[change] for change in cancelled),
            values=dict(sorted(values.items())),
        )

    def _count_reward(self, data: _Data) -> None:
        value = data["value"]
        unit = None if value is None else value["unit"]
        change = _RewardChange(data["targetGroupId"], data["periodName"], data["rule"], data.get("action"), unit)
        self._rewards[change] += 1
        if value is not None:
            self._amounts[change] += Decimal(value["amount"])

    def _reward_totals(self, change: _RewardChange) -> RewardTotals:
        amount = None if change.unit is None else self._amounts[change]
        return RewardTotals(**change._asdict(), rewards=self._rewards[change], amount=amount)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanLimits:
    """The maximum number of cancelled rewards, None for no limit, and their maximum value by unit."""

    rewards: int | None
    values: Mapping[str, Decimal]

    def exceeded(self, totals: PlanTotals) -> Iterator[str]:
        """A sentence for each limit that the plan exceeds."""
        if self.rewards is not None and totals.cancelled > self.rewards:
            yield f"it cancels {totals.cancelled} rewards, more than --max-rewards {self.rewards}"
        for unit, limit in self.values.items():
            value = totals.values.get(unit, Decimal(0))
            if value > limit:
                yield f"it cancels {value:f} {unit}, more than --max-value {unit}={limit:f}"


def read_limits(rewards: int | None, values: Sequence[str]) -> PlanLimits:
    """The limits of these options, each value as `UNIT=AMOUNT`. Raises UsageError."""
    return PlanLimits(rewards=rewards, values=dict(_value_limit(text) for text in values))


def _value_limit(text: str) -> tuple[str, Decimal]:
    unit, _, amount = text.rpartition("=")
    try:
        limit = Decimal(amount)
    except InvalidOperation:
        limit = Decimal("NaN")
    if not unit or not limit.is_finite():
        raise UsageError(f"--max-value {text}: must be UNIT=AMOUNT, like EUR=1000.00")
    return unit, limit


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestSample:
    """A request and its prediction, in words. `detail` is the sentence of a refusal.

    `falls` and `stays` are ranges of cycles, `rewards` those that change, `kept` those that the customer keeps.
    """

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


def request_sample(request: ParsedRequest, predicted: Prediction) -> RequestSample:
    """The request and its prediction in words."""
    event = request.received.event
    events: list[tuple[str, _Data]] = [(one.type, from_json(bytes(one.data))) for one in predicted.events]
    unenrolled: _Data = next((data for name, data in events if name == "UserUnenrolled"), {})
    refusal: _Data = next((data for name, data in events if name == "UnenrollRejected"), {})
    return RequestSample(
        customer_id=event.customer_id,
        target_id=event.target_id,
        id=event.key.id,
        source=event.key.source,
        outcome=predicted.outcome,
        code=predicted.outcome.code,
        detail=refusal.get("detail"),
        falls=_range(unenrolled.get("droppedPeriods")),
        stays=_range(unenrolled.get("keptPeriods")),
        rewards=tuple(_reward_text(data) for _, data in events if "rewardId" in data),
        kept=tuple(f"{kept.reward_id} {kept.rule}" for kept in predicted.kept),
    )


def _range(periods: _Data | None) -> str | None:
    if not periods:
        return None
    first, last = str(periods["first"]), str(periods["last"])
    return first if first == last else f"{first}\u2013{last}"


def _reward_text(data: _Data) -> str:
    value = data["value"]
    value_text = f", {value['amount']} {value['unit']}" if value else ""
    return f"{data['rewardId']} {data.get('action', 'REINSTATED')} ({data['rule']}{value_text})"
