"""What is known of one customer in one target: enrollments, leaves, rewards."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from unenroll.core.calendar import aware
from unenroll.core.events import Allocation, EventId, Origin, Value


@dataclass(frozen=True, kw_only=True, slots=True)
class Enrollment:
    """The fact that the customer takes part from some cycle on. `from_cycle` None: by the instant."""

    key: EventId
    enrolled_at: datetime
    from_cycle: int | None = None
    initial_balance: Decimal | None = None
    reset_streak_status: bool = False
    origin: Origin = Origin.EXPLICIT

    def __post_init__(self) -> None:
        """Refuse naive instants."""
        aware(self.enrolled_at, "enrolledAt")


@dataclass(frozen=True, kw_only=True, slots=True)
class Leave:
    """An accepted wish to stop."""

    key: EventId
    effective_at: datetime
    reason: str | None = None
    requested_by: str | None = None

    def __post_init__(self) -> None:
        """Refuse naive instants."""
        aware(self.effective_at, "effectiveAt")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reward:
    """The fact that the customer earned something in the cycle of this number."""

    reward_id: str
    cycle: int
    allocation: Allocation
    achieved_at: datetime
    level: int | None = None
    value: Value | None = None

    def __post_init__(self) -> None:
        """Refuse naive instants."""
        aware(self.achieved_at, "achievedAt")


@dataclass(frozen=True, kw_only=True, slots=True)
class Issuance:
    """The fact that a reward was paid, whether or not the reward is known yet."""

    reward_id: str
    issued_at: datetime

    def __post_init__(self) -> None:
        """Refuse naive instants."""
        aware(self.issued_at, "issuedAt")


Fact = Enrollment | Leave | Reward | Issuance


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Everything known of one customer in one target. The order within the tuples carries no meaning.

    `issued` has the rewards that are known to be paid, by `rewardId`, whether or not the reward itself is known yet.
    """

    customer_id: int
    target_id: int
    enrollments: tuple[Enrollment, ...] = ()
    leaves: tuple[Leave, ...] = ()
    rewards: tuple[Reward, ...] = ()
    issued: Mapping[str, datetime] = field(default_factory=dict)

    def reward(self, reward_id: str) -> Reward | None:
        """The reward with this id, or None if it is not known yet."""
        return next((reward for reward in self.rewards if reward.reward_id == reward_id), None)

    def knowing(self, fact: Fact) -> "Account":
        """The account with this fact added at the end, or itself if it has one of the same id already."""
        if isinstance(fact, Leave):
            known = any(fact.key == leave.key for leave in self.leaves)
            return self if known else replace(self, leaves=(*self.leaves, fact))
        if isinstance(fact, Enrollment):
            known = any(fact.key == enrollment.key for enrollment in self.enrollments)
            return self if known else replace(self, enrollments=(*self.enrollments, fact))
        if isinstance(fact, Reward):
            known = self.reward(fact.reward_id) is not None
            return self if known else replace(self, rewards=(*self.rewards, fact))
        known = fact.reward_id in self.issued
        return self if known else replace(self, issued={**self.issued, fact.reward_id: fact.issued_at})
