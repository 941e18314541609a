"""What a plan does in all: counted by group, cycle, rule and unit of value."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from pydantic_core import from_json

from unenroll.core.definitions import Definitions
from unenroll.wire.planned import Prediction


@dataclass(frozen=True, kw_only=True, slots=True)
class FallTold:
    """How many leaves drop the cycles of a group from this one on."""

    group_id: int
    period_name: str
    leaves: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RewardsTold:
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
class Totals:
    """Requests by outcome, cycles that fall, rewards that change; `cancelled` and `values` are of cancelled ones."""

    requests: int
    outcomes: Mapping[str, int]
    falls: tuple[FallTold, ...]
    rewards: tuple[RewardsTold, ...]
    cancelled: int
    values: Mapping[str, Decimal]


class _Way(NamedTuple):
    group_id: int
    period_name: str
    rule: str
    action: str | None
    unit: str | None


@dataclass(slots=True)
class Counting:
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

    def totals(self, definitions: Definitions) -> Totals:
        """All counted up to now, in the order of groups and their cycles."""
        cancelled = [way for way in self._rewards if way.action is not None]
        values: defaultdict[str, Decimal] = defaultdict(Decimal)
        for way in cancelled:
            if way.unit is not None:
                values[way.unit] += self._amounts[way]
        place = _Places(definitions).place
        return Totals(
            requests=self._outcomes.total(),
            outcomes=dict(sorted(self._outcomes.items())),
            falls=tuple(
                FallTold(group_id=group_id, period_name=name, leaves=self._falls[group_id, name])
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

    def _told(self, way: _Way) -> RewardsTold:
        amount = None if way.unit is None else self._amounts[way]
        return RewardsTold(**way._asdict(), rewards=self._rewards[way], amount=amount)


class _Places(NamedTuple):
    definitions: Definitions

    def place(self, way: _Way | tuple[int, str]) -> tuple[int, int]:
        group_id, name = way[:2]
        cycle = self.definitions.groups[group_id].calendar.named(name)
        return group_id, 0 if cycle is None else cycle.number
