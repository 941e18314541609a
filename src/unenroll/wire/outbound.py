"""The `data` of each event that is published. Plain dictionaries, so that a type checker holds them to their fields."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from unenroll.core.definitions import TargetKind
from unenroll.core.events import RewardAllocation
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import RewardAction, Rule
from unenroll.wire.fields import LARGEST_INT64, Amount, Identifier, Int64, Name, Natural, OwnInstant, Remark, RewardId

CANCELLING = frozenset({Rule.AFTER_UNENROLLMENT, Rule.PERIOD_END_LOST, Rule.ALREADY_ACHIEVED})


def _cancelling(rule: Rule) -> Rule:
    if rule not in CANCELLING:
        raise PydanticCustomError("rule", "must be a rule that cancels")
    return rule


def _keeping(rule: Rule) -> Rule:
    if rule in CANCELLING:
        raise PydanticCustomError("rule", "must be a rule that keeps")
    return rule


def _rejecting(outcome: Outcome) -> Outcome:
    if outcome is Outcome.UNENROLLED:
        raise PydanticCustomError("outcome", "must be a rejection")
    return outcome


_Uuid = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
]
_Positive = Annotated[int, Field(ge=1, le=LARGEST_INT64)]


class _Published(TypedDict):
    """What all carry: the account, and the request that the answer is for, or whose leave governs the reward now."""

    customerId: Int64
    targetGroupId: Int64
    targetId: Int64
    requestId: Identifier
    requestSource: Identifier
    effectiveAt: OwnInstant


class PeriodSpan(TypedDict):
    """Cycles in a row, by the names of the first and the last."""

    first: Name
    last: Name
    count: _Positive


class RewardValue(TypedDict):
    """What a reward is worth: a decimal as text, in some unit."""

    amount: Amount
    unit: Name


class UserUnenrolled(_Published):
    """The customer left, or the same leave now cuts elsewhere (rules.md section 5)."""

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
    """The first answer of a request where it is another than UNENROLLED (rules.md section 4)."""

    outcome: Annotated[Outcome, AfterValidator(_rejecting)]
    code: Int64 | None
    detail: str
    reason: Remark | None
    requestedBy: Remark | None


class RewardChanged(_Published):
    """What both events of a reward carry."""

    rewardId: RewardId
    unenrollmentId: _Uuid
    periodName: Name
    level: Int64 | None
    allocation: RewardAllocation
    achievedAt: OwnInstant
    value: RewardValue | None
    revision: _Positive


class RewardCancelled(RewardChanged):
    """A reward does not stand any more: `action` says whether to void it or to take it back."""

    rule: Annotated[Rule, AfterValidator(_cancelling)]
    action: RewardAction


class RewardReinstated(RewardChanged):
    """A reward that was published as cancelled stands again."""

    rule: Annotated[Rule, AfterValidator(_keeping)]


Published = UserUnenrolled | UnenrollRejected | RewardCancelled | RewardReinstated
