"""The account: the known facts of one customer in one target.

All instants have an offset: they come from events, which refuse instants without one, or from Postgres.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from unenroll.core.events import EnrollmentOrigin, EventId, RewardAllocation, Value


class Enrollment(NamedTuple):
    """The customer enrolled. `from_cycle` is the number of the first cycle; None: the cycle of `enrolled_at`."""

    key: EventId
    enrolled_at: datetime
    from_cycle: int | None = None
    initial_balance: Decimal | None = None
    reset_streak_status: bool = False
    origin: EnrollmentOrigin = EnrollmentOrigin.EXPLICIT


class Leave(NamedTuple):
    """The customer leaves at `effective_at`, by a request that passed all checks without an account."""

    key: EventId
    effective_at: datetime
    reason: str | None = None
    requested_by: str | None = None


class Reward(NamedTuple):
    """The customer earned a reward in the cycle with the number `cycle`."""

    reward_id: str
    cycle: int
    allocation: RewardAllocation
    achieved_at: datetime
    level: int | None = None
    value: Value | None = None


class Issuance(NamedTuple):
    """A reward was paid. The reward itself may not be known yet."""

    reward_id: str
    issued_at: datetime


Fact = Enrollment | Leave | Reward | Issuance


MAX_FACTS = 10_000
"""The maximum number of facts of an account, unless a setting says otherwise."""


class Account(NamedTuple):
    """All known facts of one customer in one target. The order within a tuple has no meaning.

    `issuances` maps the `rewardId` of each reward that was paid to the time of payment. Some of these rewards may not
    be known yet.
    """

    customer_id: int
    target_id: int
    enrollments: tuple[Enrollment, ...] = ()
    leaves: tuple[Leave, ...] = ()
    rewards: tuple[Reward, ...] = ()
    issuances: Mapping[str, datetime] = MappingProxyType({})

    @property
    def size(self) -> int:
        """The number of facts."""
        return len(self.enrollments) + len(self.leaves) + len(self.rewards) + len(self.issuances)

    def reward(self, reward_id: str) -> Reward | None:
        """Return the reward with this id, or None if it is not known yet."""
        for reward in self.rewards:
            if reward.reward_id == reward_id:
                return reward
        return None

    def with_fact(self, fact: Fact) -> "Account":
        """Return the account with this fact added, or the same object if it already has a fact with this id."""
        customer_id, target_id, enrollments, leaves, rewards, issuances = self
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
        elif fact.reward_id in issuances:
            return self
        else:
            issuances = {**issuances, fact.reward_id: fact.issued_at}
        return Account(customer_id, target_id, enrollments, leaves, rewards, issuances)


def _has(facts: Iterable[Enrollment | Leave], key: EventId) -> bool:
    return key in [fact.key for fact in facts]
