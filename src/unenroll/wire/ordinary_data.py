"""The `data` of each event that concerns an account, as it ordinarily comes: `inbound` takes it too."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any

from msgspec import Meta, Struct

from unenroll.core import events
from unenroll.core.events import Allocation, EventId, Origin, Value
from unenroll.wire import due
from unenroll.wire.fields import (
    LARGEST_INT64,
    LONGEST_IDENTIFIER,
    LONGEST_NAME,
    LONGEST_REMARK,
    LONGEST_REWARD_ID,
    SMALLEST_INT64,
    amount,
    exact,
)
from unenroll.wire.instants import parse_instant

_Int64 = Annotated[int, Meta(ge=SMALLEST_INT64, le=LARGEST_INT64)]
_Natural = Annotated[int, Meta(ge=0, le=LARGEST_INT64)]
_Identifier = Annotated[str, Meta(min_length=1, max_length=LONGEST_IDENTIFIER)]
_CustomerId = Annotated[int, Meta(ge=1, le=LARGEST_INT64)]
_RewardId = Annotated[str, Meta(min_length=1, max_length=LONGEST_REWARD_ID)]
_Name = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
_Remark = Annotated[str, Meta(max_length=LONGEST_REMARK)]


def instant(text: str) -> datetime:
    """The instant in UTC. Raises ValueError for any other text, one without offset too."""
    told = parse_instant(text)
    if told.tzinfo is None:
        raise ValueError("has no offset")
    return told


class _Data(Struct, rename="camel", gc=False):
    """Fields as they stand, instants and amounts as text. `event` raises ValueError for what is not ordinary."""


class RequestBefore(Struct, gc=False):
    """A request, by what its event is known by."""

    id: _Identifier
    source: _Identifier


class Expected(Struct, gc=False):
    """What a plan saw of the account."""

    decision: _Natural
    after: RequestBefore | None = None

    def seen(self) -> events.Expected:
        """The same, as the core has it."""
        before = self.after
        return events.Expected(self.decision, None if before is None else EventId(before.id, before.source))


class UnenrollRequested(_Data):
    """The un-enroll call."""

    customer_id: _Int64
    target_group_id: _Int64
    target_id: _Int64
    effective_at: str | None = None
    reason: _Remark | None = None
    requested_by: _Remark | None = None
    expected: Expected | None = None

    def event(self, key: EventId, time: datetime) -> events.UnenrollRequested:
        """The event; effective at its `time` unless it says when."""
        return events.UnenrollRequested(
            key=key,
            time=time,
            customer_id=self.customer_id,
            group_id=self.target_group_id,
            target_id=self.target_id,
            effective_at=time if self.effective_at is None else instant(self.effective_at),
            reason=self.reason,
            requested_by=self.requested_by,
            expected=None if self.expected is None else self.expected.seen(),
        )


class CustomerEnrolled(_Data):
    """An enrollment. Its balance is whatever there is: a number as `document.number` has it, or anything else."""

    customer_id: _CustomerId
    target_group_id: _Int64
    target_id: _Int64
    enrolled_at: str
    period_name: _Name | None = None
    initial_balance: Any = None
    reset_streak_status: bool | None = None
    origin: Origin | None = None

    def event(self, key: EventId) -> events.CustomerEnrolled:
        """The event."""
        return events.CustomerEnrolled(
            key=key,
            customer_id=self.customer_id,
            group_id=self.target_group_id,
            target_id=self.target_id,
            enrolled_at=instant(self.enrolled_at),
            period_name=self.period_name,
            initial_balance=None if self.initial_balance is None else exact(self.initial_balance),
            reset_streak_status=bool(self.reset_streak_status),
            origin=self.origin or Origin.EXPLICIT,
        )


class RewardValue(Struct, gc=False):
    """What a reward is worth."""

    amount: str
    unit: _Name


class RewardEarned(_Data):
    """A reward."""

    reward_id: _RewardId
    customer_id: _CustomerId
    target_group_id: _Int64
    target_id: _Int64
    period_name: _Name
    allocation: Allocation
    achieved_at: str
    level: _Int64 | None = None
    issued_at: str | None = None
    value: RewardValue | None = None

    def event(self, key: EventId) -> events.RewardEarned:
        """The event."""
        worth = None if self.value is None else Value(Decimal(amount(self.value.amount)), self.value.unit)
        return events.RewardEarned(
            key=key,
            reward_id=self.reward_id,
            customer_id=self.customer_id,
            group_id=self.target_group_id,
            target_id=self.target_id,
            period_name=self.period_name,
            allocation=self.allocation,
            achieved_at=instant(self.achieved_at),
            level=self.level,
            issued_at=None if self.issued_at is None else instant(self.issued_at),
            value=worth,
        )


class RewardIssued(_Data):
    """A reward was paid."""

    reward_id: _RewardId
    customer_id: _CustomerId
    target_id: _Int64
    issued_at: str

    def event(self, key: EventId) -> events.RewardIssued:
        """The event."""
        return events.RewardIssued(
            key=key,
            reward_id=self.reward_id,
            customer_id=self.customer_id,
            target_id=self.target_id,
            issued_at=instant(self.issued_at),
        )


class SettlementDue(_Data):
    """Cycles were appended that the account waited for."""

    customer_id: _CustomerId
    target_group_id: _Int64
    target_id: _Int64
    version: _Int64

    def event(self, key: EventId) -> due.SettlementDue:
        """The event."""
        return due.SettlementDue(
            key=key,
            customer_id=self.customer_id,
            group_id=self.target_group_id,
            target_id=self.target_id,
            version=self.version,
        )


Data = UnenrollRequested | CustomerEnrolled | RewardEarned | RewardIssued | SettlementDue

MODELS: Mapping[str, type[Data]] = MappingProxyType(
    {
        model.__name__: model
        for model in (UnenrollRequested, CustomerEnrolled, RewardEarned, RewardIssued, SettlementDue)
    }
)
