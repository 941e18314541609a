"""What is known of one customer in one target: enrollments, leaves, rewards.

Their instants carry an offset: they are those of events, which refuse naive ones, or come from a `timestamptz`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from unenroll.core.events import EnrollmentOrigin, EventId, RewardAllocation, Value


class Enrollment(NamedTuple):
    """The fact that the customer takes part from some cycle on. `from_cycle` None: by the instant."""

    key: EventId
    enrolled_at: datetime
    from_cycle: int | None = None
    initial_balance: Decimal | None = None
    reset_streak_status: bool = False
    origin: EnrollmentOrigin = EnrollmentOrigin.EXPLICIT


class Leave(NamedTuple):
    """An accepted wish to stop."""

    key: EventId
    effective_at: datetime
    reason: str | None = None
    requested_by: str | None = None


class Reward(NamedTuple):
    """The fact that the customer earned something in the cycle of this number."""

    reward_id: str
    cycle: int
    allocation: RewardAllocation
    achieved_at: datetime
    level: int | None = None
    value: Value | None = None


class Issuance(NamedTuple):
    """The fact that a reward was paid, whether or not the reward is known yet."""

    reward_id: str
    issued_at: datetime


Fact = Enrollment | Leave | Reward | Issuance


class Account(NamedTuple):
    """Everything known of one customer in one target. The order within the tuples carries no meaning.

    `issued` has the rewards that are known to be paid, by `rewardId`, whether or not the reward itself is known yet.
    """

    customer_id: int
    target_id: int
    enrollments: tuple[Enrollment, ...] = ()
    leaves: tuple[Leave, ...] = ()
    rewards: tuple[Reward, ...] = ()
    issued: Mapping[str, datetime] = MappingProxyType({})

    def reward(self, reward_id: str) -> Reward | None:
        """The reward with this id, or None if it is not known yet."""
        for reward in self.rewards:
            if reward.reward_id == reward_id:
                return reward
        return None

    def knowing(self, fact: Fact) -> "Account":
        """The account with this fact added at the end, or itself if it has one of the same id already."""
        customer_id, target_id, enrollments, leaves, rewards, issued = self
        if isinstance(fact, Leave):
            if _has(leaves, fact.key):
                return self
            leaves = (*leaves, fact)
        elif isinstance(fact, Enrollment):
            if _has(enrollments, fact.key):
                return self
            enrollments = (*enrollments, fact)
        elif isinstance(fact, Reward):
            if self.reward(fact.reward_id) is not None:
                return self
            rewards = (*rewards, fact)
        elif fact.reward_id in issued:
            return self
        else:
            issued = {**issued, fact.reward_id: fact.issued_at}
        return Account(customer_id, target_id, enrollments, leaves, rewards, issued)


def _has(facts: Iterable[Enrollment | Leave], key: EventId) -> bool:
    return key in [fact.key for fact in facts]
