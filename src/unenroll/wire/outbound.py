"""The `data` of each published event, as typed dictionaries: mypy checks that `encode` sets every field."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from unenroll.core.definitions import TargetKind
from unenroll.core.events import RewardAllocation
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import CANCELLING_RULES, RewardAction, Rule
from unenroll.wire.fields import (
    LARGEST_INT64,
    Amount,
    Identifier,
    Int64,
    Name,
    Natural,
    PublishedInstant,
    Remark,
    RewardId,
)


def _cancelling_rule(rule: Rule) -> Rule:
    if rule not in CANCELLING_RULES:
        raise PydanticCustomError("rule", "must be a rule that cancels a reward")
    return rule


def _keeping_rule(rule: Rule) -> Rule:
    if rule in CANCELLING_RULES:
        raise PydanticCustomError("rule", "must be a rule that keeps a reward")
    return rule


def _rejecting_outcome(outcome: Outcome) -> Outcome:
    if outcome is Outcome.UNENROLLED:
        raise PydanticCustomError("outcome", "must be another outcome than UNENROLLED")
    return outcome


_Uuid = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
]
_Positive = Annotated[int, Field(ge=1, le=LARGEST_INT64)]


class _Published(TypedDict):
    """The fields of all published events: the account and the request.

    The request is the one that the event answers; on an event of a reward, the one whose leave governs the reward.
    """

    customerId: Int64
    targetGroupId: Int64
    targetId: Int64
    requestId: Identifier
    requestSource: Identifier
    effectiveAt: PublishedInstant


class PeriodSpan(TypedDict):
    """Consecutive cycles: the names of the first and the last one, and their number."""

    first: Name
    last: Name
    count: _Positive


class RewardValue(TypedDict):
    """The value of a reward: a decimal as text, and its unit."""

    amount: Amount
    unit: Name


class UserUnenrolled(_Published):
    """A leave took effect, or the first cycle that it drops changed (rules.md section 5)."""

    unenrollmentId: _Uuid
    kind: TargetKind
    cutPeriod: Name | None
    droppedPeriods: PeriodSpan | None
    keptPeriods: PeriodSpan | None
    levelsKept: list[_Positive] | None
    rewardsCancelled: Natural
    supersedes: _Uuid | None
    revision: _Positive
    reason: Remark | None
    requestedBy: Remark | None


class UnenrollRejected(_Published):
    """The first answer of a request whose outcome is not UNENROLLED (rules.md section 4)."""

    outcome: Annotated[Outcome, AfterValidator(_rejecting_outcome)]
    code: Int64 | None
    detail: str
    reason: Remark | None
    requestedBy: Remark | None


class RewardChanged(_Published):
    """The fields of both events of a reward."""

    rewardId: RewardId
    unenrollmentId: _Uuid
    periodName: Name
    level: Int64 | None
    allocation: RewardAllocation
    achievedAt: PublishedInstant
    value: RewardValue | None
    revision: _Positive


class RewardCancelled(RewardChanged):
    """A reward is cancelled. `action` says whether to void it or to reverse it."""

    rule: Annotated[Rule, AfterValidator(_cancelling_rule)]
    action: RewardAction


class RewardReinstated(RewardChanged):
    """A cancelled reward is kept again."""

    rule: Annotated[Rule, AfterValidator(_keeping_rule)]


Published = UserUnenrolled | UnenrollRejected | RewardCancelled | RewardReinstated
