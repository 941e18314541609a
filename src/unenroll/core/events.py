"""The events that the worker reads, before any check against definitions, and the ids of events and accounts."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from unenroll.core.calendar import require_offset


class EventId(NamedTuple):
    """CloudEvents `id` and `source`. Sorts by id, then by source, by code points (rules.md section 2)."""

    id: str
    source: str


class EnrollmentOrigin(StrEnum):
    """How the customer was enrolled: EXPLICIT, on request; AUTOMATIC, by a rule that enrolls everybody again."""

    EXPLICIT = "EXPLICIT"
    AUTOMATIC = "AUTOMATIC"


class RewardAllocation(StrEnum):
    """When a reward is paid: IMMEDIATE, when it is achieved; PERIOD_END, after its cycle ends."""

    IMMEDIATE = "IMMEDIATE"
    PERIOD_END = "PERIOD_END"


class Value(NamedTuple):
    """The value of a reward: a decimal amount and its unit."""

    amount: Decimal
    unit: str


class ExpectedAccount(NamedTuple):
    """The state of the account that a plan expects when its request is decided.

    `decisions` is the number of decisions on the account. `after` is the previous request of the same plan on this
    account, or None.
    """

    decisions: int
    after: EventId | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class UnenrollRequested:
    """A request that a customer leaves a target. `effective_at` is the event's `time` if the event has none.

    `expected` is None if the request is not part of a plan.
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
        """Raise ValueError if an instant has no offset."""
        require_offset(self.time, "time")
        require_offset(self.effective_at, "effectiveAt")


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomerEnrolled:
    """A customer enrolled in a target, from the cycle `period_name` on, or else from the cycle of `enrolled_at` on."""

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
        """Raise ValueError if an instant has no offset."""
        require_offset(self.enrolled_at, "enrolledAt")


@dataclass(frozen=True, kw_only=True, slots=True)
class RewardEarned:
    """A customer earned a reward in a cycle. `issued_at` is None if the reward is not known to be paid."""

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
        """Raise ValueError if an instant has no offset."""
        require_offset(self.achieved_at, "achievedAt")
        if self.issued_at is not None:
            require_offset(self.issued_at, "issuedAt")


@dataclass(frozen=True, kw_only=True, slots=True)
class RewardIssued:
    """A reward was paid. This event may arrive before its `RewardEarned`."""

    key: EventId
    reward_id: str
    customer_id: int
    target_id: int
    issued_at: datetime

    def __post_init__(self) -> None:
        """Raise ValueError if an instant has no offset."""
        require_offset(self.issued_at, "issuedAt")


Event = UnenrollRequested | CustomerEnrolled | RewardEarned | RewardIssued


@dataclass(frozen=True, kw_only=True, slots=True)
class SettlementDue:
    """A request of our own to settle an account again, with this version of its group or a later one (section 4)."""

    key: EventId
    customer_id: int
    group_id: int
    target_id: int
    version: int


class AccountKey(NamedTuple):
    """The id of an account: one customer in one target."""

    customer_id: int
    target_id: int


class EventKey(NamedTuple):
    """The id of an event in the ledger. `event_key` is the UUIDv5 of the event's source and id, as text."""

    customer_id: int
    event_key: str
