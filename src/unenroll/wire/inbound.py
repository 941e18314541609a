"""The `data` of each inbound event about an account: its fields as pydantic models."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from unenroll.core import events
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


class PreviousRequest(Fields):
    """The id of the previous request of the same plan."""

    id: Identifier
    source: Identifier


class ExpectedState(Fields):
    """The state of the account that a plan expects."""

    decision: Natural
    after: PreviousRequest | None = None

    def to_expected_account(self) -> events.ExpectedAccount:
        """Return the same state as a record of the core."""
        after = None if self.after is None else EventId(self.after.id, self.after.source)
        return events.ExpectedAccount(self.decision, after)


class UnenrollRequested(Fields):
    """A request to un-enroll. An invalid customer id passes here: it gets an answer (rules.md section 4)."""

    customer_id: Int64
    target_group_id: Int64
    target_id: Int64
    effective_at: Instant | None = None
    reason: Remark | None = None
    requested_by: Remark | None = None
    expected: ExpectedState | None = None

    def to_event(self, key: EventId, time: datetime) -> events.UnenrollRequested:
        """Return the event. It takes effect at its `time` if `effectiveAt` is missing."""
        return events.UnenrollRequested(
            key=key,
            time=time,
            customer_id=self.customer_id,
            group_id=self.target_group_id,
            target_id=self.target_id,
            effective_at=self.effective_at or time,
            reason=self.reason,
            requested_by=self.requested_by,
            expected=None if self.expected is None else self.expected.to_expected_account(),
        )


class CustomerEnrolled(Fields):
    """A customer enrolled."""

    customer_id: CustomerId
    target_group_id: Int64
    target_id: Int64
    enrolled_at: Instant
    period_name: Name | None = None
    initial_balance: Number | None = None
    reset_streak_status: bool | None = None
    origin: _Origin | None = None

    def to_event(self, key: EventId) -> events.CustomerEnrolled:
        """Return the event with defaults applied."""
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
    """The value of a reward: a decimal as text, and its unit."""

    amount: Amount
    unit: Name


class RewardEarned(Fields):
    """A customer earned a reward."""

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

    def to_event(self, key: EventId) -> events.RewardEarned:
        """Return the event. Its value keeps all digits."""
        value = None if self.value is None else Value(Decimal(self.value.amount), self.value.unit)
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
            value=value,
        )


class RewardIssued(Fields):
    """A reward was paid."""

    reward_id: RewardId
    customer_id: CustomerId
    target_id: Int64
    issued_at: Instant

    def to_event(self, key: EventId) -> events.RewardIssued:
        """Return the event."""
        return events.RewardIssued(
            key=key,
            reward_id=self.reward_id,
            customer_id=self.customer_id,
            target_id=self.target_id,
            issued_at=self.issued_at,
        )


class SettlementDue(Fields):
    """A target group got new cycles that the account waits for."""

    customer_id: CustomerId
    target_group_id: Int64
    target_id: Int64
    version: Int64

    def to_event(self, key: EventId) -> events.SettlementDue:
        """Return the event."""
        return events.SettlementDue(
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
