"""What an account's rewards were last settled to, and what would have kept those that are lost."""

from dataclasses import dataclass
from datetime import datetime

from unenroll.core.calendar import Calendar
from unenroll.core.changes import Settled
from unenroll.core.definitions import Target
from unenroll.core.events import Allocation
from unenroll.core.facts import Account, Reward
from unenroll.core.sentences import RULES
from unenroll.core.settle import Settlement
from unenroll.core.standings import Action, Rule, State
from unenroll.explain.losses import Losses
from unenroll.explain.stays import LeaveTold, decimal_text, leaves_told
from unenroll.explain.trials import Trials


@dataclass(frozen=True, kw_only=True, slots=True)
class RewardTold:
    """A reward and its standing. `leave` governs it, `stay` numbers its spell, `revision` is how often it was told of.

    `missed`: what would have kept it, where it is lost.
    """

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
    missed: str | None
    stay: int | None
    leave: LeaveTold | None
    revision: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Rewards:
    """What the rewards are told from."""

    account: Account
    settled: Settled
    settlement: Settlement
    target: Target
    calendar: Calendar

    def told(self, reward_id: str | None) -> tuple[RewardTold, ...]:
        """The rewards by cycle, then by when they were achieved: one of them, or all."""
        losses = Losses(
            account=self.account,
            settlement=self.settlement,
            target=self.target,
            calendar=self.calendar,
            trials=Trials(account=self.account, target=self.target, calendar=self.calendar),
        )
        wanted = [reward for reward in self.account.rewards if reward_id in {None, reward.reward_id}]
        ordered = sorted(wanted, key=lambda one: (one.cycle, one.achieved_at, one.reward_id))
        return tuple(self._told(reward, losses) for reward in ordered)

    def _told(self, reward: Reward, losses: Losses) -> RewardTold:
        now = self.settled.rewards[reward.reward_id]
        spell = self.settlement.standings[reward.reward_id].spell
        value = reward.value
        return RewardTold(
            reward_id=reward.reward_id,
            period_name=self.calendar.numbered(reward.cycle).name,
            level=reward.level,
            allocation=reward.allocation,
            achieved_at=reward.achieved_at,
            issued_at=self.account.issued.get(reward.reward_id),
            amount=None if value is None else decimal_text(value.amount),
            unit=None if value is None else value.unit,
            state=now.state,
            action=now.action,
            rule=now.rule,
            sentence=RULES[now.rule],
            missed=losses.told(reward, now.rule),
            stay=None if spell is None else spell + 1,
            leave=None if now.leave is None else leaves_told(self.account)[now.leave],
            revision=now.revision,
        )
