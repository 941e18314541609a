"""What an account's rewards were last settled to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from unenroll.core.calendar import Calendar
from unenroll.core.changes import Settled, SettledReward
from unenroll.core.events import Allocation, EventId
from unenroll.core.facts import Account, Reward
from unenroll.core.sentences import RULES
from unenroll.core.standings import Action, Rule, State


@dataclass(frozen=True, kw_only=True, slots=True)
class RewardTold:
    """A reward and its standing. `left_at`: the leave that governs it, `revision`: how often it was told of."""

    reward_id: str
    period_name: str
    level: int | None
    allocation: Allocation
    achieved_at: datetime
    issued_at: datetime | None
    amount: str | None
    unit: str | None
    state: State
    action: Action | None
    rule: Rule
    sentence: str
    left_at: datetime | None
    revision: int


def rewards_told(
    account: Account, settled: Settled, *, calendar: Calendar, reward_id: str | None
) -> tuple[RewardTold, ...]:
    """The rewards by cycle, then by when they were achieved: one of them, or all."""
    leaves = {leave.key: leave.effective_at for leave in account.leaves}
    wanted = [reward for reward in account.rewards if reward_id in {None, reward.reward_id}]
    return tuple(
        _told(
            reward,
            settled.rewards[reward.reward_id],
            period_name=calendar.numbered(reward.cycle).name,
            issued_at=account.issued.get(reward.reward_id),
            leaves=leaves,
        )
        for reward in sorted(wanted, key=lambda one: (one.cycle, one.achieved_at, one.reward_id))
    )


def _told(
    reward: Reward,
    now: SettledReward,
    *,
    period_name: str,
    issued_at: datetime | None,
    leaves: Mapping[EventId, datetime],
) -> RewardTold:
    value = reward.value
    return RewardTold(
        reward_id=reward.reward_id,
        period_name=period_name,
        level=reward.level,
        allocation=reward.allocation,
        achieved_at=reward.achieved_at,
        issued_at=issued_at,
        amount=None if value is None else format(value.amount, "f"),
        unit=None if value is None else value.unit,
        state=now.state,
        action=now.action,
        rule=now.rule,
        sentence=RULES[now.rule],
        left_at=None if now.leave is None else leaves[now.leave],
        revision=now.revision,
    )
