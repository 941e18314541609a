"""What an account's rewards were last settled to, and what would have kept those that are lost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from unenroll.core.calendar import LAST_MOMENT, Calendar
from unenroll.core.changes import SettledAccount
from unenroll.core.definitions import Target, TargetKind
from unenroll.core.events import EventId, RewardAllocation
from unenroll.core.facts import Account, Enrollment, Reward
from unenroll.core.sentences import RULES
from unenroll.core.settle import Settlement, settle
from unenroll.core.standings import RewardAction, RewardState, Rule
from unenroll.explain.stays import ExplainedLeave, decimal_text, explain_leaves
from unenroll.text import duration, moment

_MOST_REWARDS = 200_000
"""How many rewards may be settled again for one explanation: less than a second's work."""

Change = tuple[EventId | None, datetime | None]
"""Which enrollment or leave is another, and, where it is a leave, from when on it takes effect instead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WhatIfTrials:
    """The trials of one account. What was tried once is known."""

    account: Account
    target: Target
    calendar: Calendar
    _known: dict[Change, Settlement] = field(default_factory=dict)

    def settled(self, change: Change, changed: Callable[[], Account]) -> Settlement | None:
        """The settlement of the account with this change; None if too much was tried already."""
        known = self._known.get(change)
        if known is None and len(self._known) * len(self.account.rewards) < _MOST_REWARDS:
            known = self._known[change] = settle(changed(), self.target, self.calendar)
        return known


@dataclass(frozen=True, kw_only=True, slots=True)
class LossExplainer:
    """What the losses are told from. No remedy is named that would not have kept the reward.

    Of an account with very many rewards only the first remedies are tried, and the others not named.
    """

    account: Account
    settlement: Settlement
    target: Target
    calendar: Calendar
    trials: WhatIfTrials

    def told(self, reward: Reward, rule: Rule) -> str | None:
        """How far the reward was from being kept, and what would have kept it.

        None if it is kept, or if cycles were appended since that change the rule.
        """
        now = self.settlement.standings[reward.reward_id]
        if now.rule is not rule or now.leave is None or now.spell is None:
            return None
        if rule is Rule.PERIOD_END_LOST:
            return self._period_end_lost(reward, now.leave)
        if rule is Rule.AFTER_UNENROLLMENT:
            return self._after(reward, now.leave)
        return self._already_achieved(reward, now.spell) if rule is Rule.ALREADY_ACHIEVED else None

    def _period_end_lost(self, reward: Reward, leave: EventId) -> str:
        cycle = self.calendar.numbered(reward.cycle)
        told = f"Cycle {cycle.name} ended {duration(cycle.end - self._left_at(leave))} after the leave."
        kept = self._kept_leaving(reward, leave, cycle.end)
        return told + (" A leave from then on would have kept it." if kept else "")

    def _after(self, reward: Reward, leave: EventId) -> str:
        cycle = self.calendar.numbered(reward.cycle)
        counted_at = cycle.clamp(reward.achieved_at)
        told = self._how_late(reward, leave)
        if reward.allocation is RewardAllocation.IMMEDIATE:
            remedy, until = " A leave after that would have kept it.", counted_at + LAST_MOMENT
        else:
            remedy, until = f" A leave from the end of cycle {cycle.name} on would have kept it.", cycle.end
        return told + (remedy if self._kept_leaving(reward, leave, until) else "")

    def _how_late(self, reward: Reward, leave: EventId) -> str:
        left_at = self._left_at(leave)
        if reward.achieved_at == left_at:
            return "It was achieved at the very moment of the leave."
        if reward.achieved_at > left_at:
            return f"It was achieved {duration(reward.achieved_at - left_at)} after the leave."
        cycle = self.calendar.numbered(reward.cycle)
        return f"It counts from the start of cycle {cycle.name}, {_later(left_at, cycle.start)}."

    def _already_achieved(self, reward: Reward, index: int) -> str | None:
        found = self._kept_first(reward, index)
        if found is None:
            return None
        first, stay = found
        cycle = self.calendar.numbered(first.cycle).name
        told = (
            f"Reward {first.reward_id} of cycle {cycle}, achieved {moment(first.achieved_at)}, "
            f"was kept first, in stay {stay + 1} of the same run."
        )
        kept = self._kept_starting_over(reward, index)
        return told + (" Starting over when coming back would have kept this one too." if kept else "")

    def _kept_first(self, reward: Reward, index: int) -> tuple[Reward, int] | None:
        """The reward of the run's earliest stay that this one, of the stay at this index, repeats."""
        spells = self.settlement.spells
        standings = self.settlement.standings
        repeated = [
            (now.spell, other.achieved_at, other.reward_id, other)
            for other in self.account.rewards
            if (now := standings[other.reward_id]).state is RewardState.KEPT
            and now.spell is not None
            and now.spell < index
            and spells[now.spell].run == spells[index].run
            and self._same(other, reward)
        ]
        if not repeated:
            return None
        stay, _, _, first = min(repeated, key=lambda one: one[:3])
        return first, stay

    def _same(self, one: Reward, other: Reward) -> bool:
        if (one.level, one.allocation) != (other.level, other.allocation):
            return False
        return self.target.kind is TargetKind.STREAK or one.cycle == other.cycle

    def _left_at(self, leave: EventId) -> datetime:
        return next(one.effective_at for one in self.account.leaves if one.key == leave)

    def _leaving(self, leave: EventId, at: datetime) -> Account:
        moved = (one._replace(effective_at=at) if one.key == leave else one for one in self.account.leaves)
        return self.account._replace(leaves=tuple(moved))

    def _starting_over(self, index: int) -> Account:
        key = self.settlement.spells[index].enrollment
        enrollments = self.account.enrollments
        return self.account._replace(
            enrollments=tuple(self._fresh(one) if one.key == key else one for one in enrollments)
        )

    def _fresh(self, enrollment: Enrollment) -> Enrollment:
        if self.target.kind is TargetKind.STREAK:
            return enrollment._replace(reset_streak_status=True)
        return enrollment._replace(initial_balance=Decimal(0))

    def _kept_leaving(self, reward: Reward, leave: EventId, at: datetime) -> bool:
        return _kept(reward, self.trials.settled((leave, at), lambda: self._leaving(leave, at)))

    def _kept_starting_over(self, reward: Reward, index: int) -> bool:
        change = (self.settlement.spells[index].enrollment, None)
        return _kept(reward, self.trials.settled(change, lambda: self._starting_over(index)))


def _kept(reward: Reward, settlement: Settlement | None) -> bool:
    return settlement is not None and settlement.standings[reward.reward_id].state is RewardState.KEPT


def _later(left_at: datetime, start: datetime) -> str:
    return "the moment of the leave" if start == left_at else f"{duration(start - left_at)} after the leave"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainedReward:
    """A reward and its standing. `leave` governs it, `stay` numbers its spell, `revision` is how often it was told of.

    `missed`: what would have kept it, where it is lost.
    """

    reward_id: str
    period_name: str
    level: int | None
    allocation: RewardAllocation
    achieved_at: datetime
    issued_at: datetime | None
    amount: str | None
    unit: str | None
    state: RewardState
    action: RewardAction | None
    rule: Rule
    sentence: str
    missed: str | None
    stay: int | None
    leave: ExplainedLeave | None
    revision: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RewardExplainer:
    """What the rewards are told from."""

    account: Account
    settled: SettledAccount
    settlement: Settlement
    target: Target
    calendar: Calendar

    def told(self, reward_id: str | None) -> tuple[ExplainedReward, ...]:
        """The rewards by cycle, then by when they were achieved: one of them, or all."""
        losses = LossExplainer(
            account=self.account,
            settlement=self.settlement,
            target=self.target,
            calendar=self.calendar,
            trials=WhatIfTrials(account=self.account, target=self.target, calendar=self.calendar),
        )
        wanted = [reward for reward in self.account.rewards if reward_id in {None, reward.reward_id}]
        ordered = sorted(wanted, key=lambda one: (one.cycle, one.achieved_at, one.reward_id))
        return tuple(self._told(reward, losses) for reward in ordered)

    def _told(self, reward: Reward, losses: LossExplainer) -> ExplainedReward:
        now = self.settled.rewards[reward.reward_id]
        spell = self.settlement.standings[reward.reward_id].spell
        value = reward.value
        return ExplainedReward(
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
            leave=None if now.leave is None else explain_leaves(self.account)[now.leave],
            revision=now.revision,
        )
