"""What upstream systems tell us, as read from the wire and not yet held against any definition."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from unenroll.core.calendar import aware


class EventId(NamedTuple):
    """CloudEvents `id` and `source`. Sorts by id, then by source, in code points (rules.md section 2)."""

    id: str
    source: str


class EnrollmentOrigin(StrEnum):
    """Who enrolled the customer: somebody, or a rule that enrolls everybody again."""

    EXPLICIT = "EXPLICIT"
    AUTOMATIC = "AUTOMATIC"


class RewardAllocation(StrEnum):
    """When a reward is paid: when achieved, or after its cycle ends."""

    IMMEDIATE = "IMMEDIATE"
    PERIOD_END = "PERIOD_END"


class Value(NamedTuple):
    """What a reward is worth."""

    amount: Decimal
    unit: str


class ExpectedAccount(NamedTuple):
    """What a plan saw of the account: how many decisions were made on it.

    `after` is the request of the same plan that leaves the fact right before, None if none of them does.
    """

    decision: int
    after: EventId | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class UnenrollRequested:
    """Somebody asks that the customer leaves. `effective_at` is already `time` where the event named none.

    `expected` None: it is no part of a plan.
    """

    key: EventId
    time: datetime
    customer_id: int
    group_id: int
    target_id: int
    effective_at: datetime
    reason: str | None = None
    requested_by: str | None = None
    expected: ExpectedAccount | None = None

    def __post_init__(self) -> None:
        """Refuse naive instants."""
        aware(self.time, "time")
        aware(self.effective_at, "effectiveAt")


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomerEnrolled:
    """The customer takes part from some cycle on."""

    key: EventId
    customer_id: int
    group_id: int
    target_id: int
    enrolled_at: datetime
    period_name: str | None = None
    initial_balance: Decimal | None = None
    reset_streak_status: bool = False
    origin: EnrollmentOrigin = EnrollmentOrigin.EXPLICIT

    def __post_init__(self) -> None:
        """Refuse naive instants."""
        aware(self.enrolled_at, "enrolledAt")


@dataclass(frozen=True, kw_only=True, slots=True)
class RewardEarned:
    """The customer earned something in a cycle."""

    key: EventId
    reward_id: str
    customer_id: int
    group_id: int
    target_id: int
    period_name: str
    allocation: RewardAllocation
    achieved_at: datetime
    level: int | None = None
    issued_at: datetime | None = None
    value: Value | None = None

    def __post_init__(self) -> None:
        """Refuse naive instants."""
        aware(self.achieved_at, "achievedAt")
        if self.issued_at is not None:
            aware(self.issued_at, "issuedAt")


@dataclass(frozen=True, kw_only=True, slots=True)
class RewardIssued:
    """A reward was paid. May be told before the reward is."""

    key: EventId
    reward_id: str
    customer_id: int
    target_id: int
    issued_at: datetime

    def __post_init__(self) -> None:
        """Refuse naive instants."""
        aware(self.issued_at, "issuedAt")


Event = UnenrollRequested | CustomerEnrolled | RewardEarned | RewardIssued


@dataclass(frozen=True, kw_only=True, slots=True)
class SettlementDue:
    """The account is to be settled again, with at least this version of its group's definition (rules.md section 4)."""

    key: EventId
    customer_id: int
    group_id: int
    target_id: int
    version: int


class AccountKey(NamedTuple):
    """One customer in one target."""

    customer_id: int
    target_id: int


class EventKey(NamedTuple):
    """Who an event is: rules of identity in the contract. `event_key` is the UUIDv5 of its source and id."""

    customer_id: int
    event_key: str
