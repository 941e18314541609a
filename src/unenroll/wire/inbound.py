"""The `data` of each event that concerns an account, as it comes in."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from unenroll.core import events
from unenroll.core import events as due
from unenroll.core.events import EnrollmentOrigin, EventId, RewardAllocation, Value
from unenroll.wire.fields import (
    Amount,
    CustomerId,
    Fields,
    Identifier,
    Instant,
    Int64,
    Name,
    Natural,
    Number,
    Remark,
    RewardId,
)

_Origin = Annotated[EnrollmentOrigin, Field(strict=False)]
_Allocation = Annotated[RewardAllocation, Field(strict=False)]


class RequestBefore(Fields):
    """A request, by what its event is known by."""

    id: Identifier
    source: Identifier


class Expected(Fields):
    """What a plan saw of the account."""

    decision: Natural
    after: RequestBefore | None = None

    def seen(self) -> events.ExpectedAccount:
        """The same, as the core has it."""
        before = self.after
        return events.ExpectedAccount(self.decision, None if before is None else EventId(before.id, before.source))


class UnenrollRequested(Fields):
    """The un-enroll call. A customer that cannot be is answered, not refused: rules.md section 4."""

    customer_id: Int64
    target_group_id: Int64
    target_id: Int64
    effective_at: Instant | None = None
    reason: Remark | None = None
    requested_by: Remark | None = None
    expected: Expected | None = None

    def event(self, key: EventId, time: datetime) -> events.UnenrollRequested:
        """The event; effective at its `time` unless it says when."""
        return events.UnenrollRequested(
            key=key,
            time=time,
            customer_id=self.customer_id,
            group_id=self.target_group_id,
            target_id=self.target_id,
            effective_at=self.effective_at or time,
            reason=self.reason,
            requested_by=self.requested_by,
            expected=None if self.expected is None else self.expected.seen(),
        )


class CustomerEnrolled(Fields):
    """An enrollment."""

    customer_id: CustomerId
    target_group_id: Int64
    target_id: Int64
    enrolled_at: Instant
    period_name: Name | None = None
    initial_balance: Number | None = None
    reset_streak_status: bool | None = None
    origin: _Origin | None = None

    def event(self, key: EventId) -> events.CustomerEnrolled:
        """The event, defaults applied."""
        return events.CustomerEnrolled(
            key=key,
            customer_id=self.customer_id,
            group_id=self.target_group_id,
            target_id=self.target_id,
            enrolled_at=self.enrolled_at,
            period_name=self.period_name,
            initial_balance=self.initial_balance,
            reset_streak_status=bool(self.reset_streak_status),
            origin=self.origin or EnrollmentOrigin.EXPLICIT,
        )


class RewardValue(Fields):
    """What a reward is worth: a decimal as text, in some unit."""

    amount: Amount
    unit: Name


class RewardEarned(Fields):
    """A reward."""

    reward_id: RewardId
    customer_id: CustomerId
    target_group_id: Int64
    target_id: Int64
    period_name: Name
    allocation: _Allocation
    achieved_at: Instant
    level: Int64 | None = None
    issued_at: Instant | None = None
    value: RewardValue | None = None

    def event(self, key: EventId) -> events.RewardEarned:
        """The event; its value keeps every digit."""
        worth = None if self.value is None else Value(Decimal(self.value.amount), self.value.unit)
        return events.RewardEarned(
            key=key,
            reward_id=self.reward_id,
            customer_id=self.customer_id,
            group_id=self.target_group_id,
            target_id=self.target_id,
            period_name=self.period_name,
            allocation=self.allocation,
            achieved_at=self.achieved_at,
            level=self.level,
            issued_at=self.issued_at,
            value=worth,
        )


class RewardIssued(Fields):
    """A reward was paid."""

    reward_id: RewardId
    customer_id: CustomerId
    target_id: Int64
    issued_at: Instant

    def event(self, key: EventId) -> events.RewardIssued:
        """The event."""
        return events.RewardIssued(
            key=key,
            reward_id=self.reward_id,
            customer_id=self.customer_id,
            target_id=self.target_id,
            issued_at=self.issued_at,
        )


class SettlementDue(Fields):
    """Cycles were appended that the account waited for."""

    customer_id: CustomerId
    target_group_id: Int64
    target_id: Int64
    version: Int64

    def event(self, key: EventId) -> due.SettlementDue:
        """The event."""
        return due.SettlementDue(
            key=key,
            customer_id=self.customer_id,
            group_id=self.target_group_id,
            target_id=self.target_id,
            version=self.version,
        )


Fact = CustomerEnrolled | RewardEarned | RewardIssued
Inbound = UnenrollRequested | Fact | SettlementDue

MODELS: Mapping[str, type[Inbound]] = MappingProxyType(
    {
        model.__name__: model
        for model in (UnenrollRequested, CustomerEnrolled, RewardEarned, RewardIssued, SettlementDue)
    }
)
