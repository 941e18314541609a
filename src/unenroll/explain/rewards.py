"""Explain the standing of each reward of an account, and which change would have kept a lost reward."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from unenroll.core.calendar import RESOLUTION, Calendar
from unenroll.core.changes import SettledAccount
from unenroll.core.definitions import Target, TargetKind
from unenroll.core.events import EventId, RewardAllocation
from unenroll.core.facts import Account, Enrollment, Reward
from unenroll.core.sentences import RULES
from unenroll.core.settle import Settlement, settle
from unenroll.core.standings import RewardAction, RewardState, Rule
from unenroll.explain.stays import ExplainedLeave, decimal_text, explain_leaves
from unenroll.text import duration, moment

_MAX_SETTLED_REWARDS = 200_000
"""How many rewards one explanation may settle again in its trials: less than a second of work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainedReward:
    """A reward and its standing.

    `leave` is the leave that governs the standing, `stay` the number of the reward's stay, and `revision` the number
    of published changes. `missed` says of a lost reward what would have kept it.
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
    """Explains the rewards of one account."""

    account: Account
    settled: SettledAccount
    settlement: Settlement
    target: Target
    calendar: Calendar

    def explain(self, reward_id: str | None) -> tuple[ExplainedReward, ...]:
        """Return the rewards by cycle, then by time of achievement: all of them, or only this one."""
        losses = LossExplainer(
            account=self.account,
            settlement=self.settlement,
            target=self.target,
            calendar=self.calendar,
            trials=WhatIfTrials(account=self.account, target=self.target, calendar=self.calendar),
        )
        chosen = [reward for reward in self.account.rewards if reward_id in {None, reward.reward_id}]
        ordered = sorted(chosen, key=lambda reward: (reward.cycle, reward.achieved_at, reward.reward_id))
        return tuple(self._explain_reward(reward, losses) for reward in ordered)

    def _explain_reward(self, reward: Reward, losses: "LossExplainer") -> ExplainedReward:
        standing = self.settled.rewards[reward.reward_id]
        spell = self.settlement.standings[reward.reward_id].spell
        value = reward.value
        return ExplainedReward(
            reward_id=reward.reward_id,
            period_name=self.calendar.cycle_numbered(reward.cycle).name,
            level=reward.level,
            allocation=reward.allocation,
            achieved_at=reward.achieved_at,
            issued_at=self.account.issuances.get(reward.reward_id),
            amount=None if value is None else decimal_text(value.amount),
            unit=None if value is None else value.unit,
            state=standing.state,
            action=standing.action,
            rule=standing.rule,
            sentence=RULES[standing.rule],
            missed=losses.explain(reward, standing.rule),
            stay=None if spell is None else spell + 1,
            leave=None if standing.leave is None else explain_leaves(self.account)[standing.leave],
            revision=standing.revision,
        )


AccountChange = tuple[EventId | None, datetime | None]
"""The id of the enrollment or leave that a trial changes, and the new effective time if it is a leave."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WhatIfTrials:
    """Settles an account with a change, once for each change."""

    account: Account
    target: Target
    calendar: Calendar
    _settlements: dict[AccountChange, Settlement] = field(default_factory=dict)

    def settle(self, change: AccountChange, changed: Callable[[], Account]) -> Settlement | None:
        """Return the settlement of the changed account, or None if earlier trials have used up the limit of work."""
        settlement = self._settlements.get(change)
        if settlement is None and len(self._settlements) * len(self.account.rewards) < _MAX_SETTLED_REWARDS:
            settlement = self._settlements[change] = settle(changed(), self.target, self.calendar)
        return settlement


@dataclass(frozen=True, kw_only=True, slots=True)
class LossExplainer:
    """Explains why an account lost a reward, and what would have kept it.

    It names a remedy only after a trial has shown that the remedy keeps the reward. In an account with very many
    rewards it tries only the first remedies.
    """

    account: Account
    settlement: Settlement
    target: Target
    calendar: Calendar
    trials: WhatIfTrials

    def explain(self, reward: Reward, rule: Rule) -> str | None:
        """Return how close the reward was to being kept, and what would have kept it.

        Returns None if the reward is kept, or if appended cycles have changed its rule since the last decision.
        """
        standing = self.settlement.standings[reward.reward_id]
        if standing.rule is not rule or standing.leave is None or standing.spell is None:
            return None
        if rule is Rule.PERIOD_END_LOST:
            return self._period_end_lost(reward, standing.leave)
        if rule is Rule.AFTER_UNENROLLMENT:
            return self._after_unenrollment(reward, standing.leave)
        return self._already_achieved(reward, standing.spell) if rule is Rule.ALREADY_ACHIEVED else None

    def _period_end_lost(self, reward: Reward, leave: EventId) -> str:
        cycle = self.calendar.cycle_numbered(reward.cycle)
        loss = f"Cycle {cycle.name} ended {duration(cycle.end - self._left_at(leave))} after the leave."
        kept = self._is_kept_leaving_at(reward, leave, cycle.end)
        return loss + (" A leave at that time or later would have kept it." if kept else "")

    def _after_unenrollment(self, reward: Reward, leave: EventId) -> str:
        cycle = self.calendar.cycle_numbered(reward.cycle)
        if reward.allocation is RewardAllocation.IMMEDIATE:
            remedy, until = " A leave after that would have kept it.", cycle.clamp(reward.achieved_at) + RESOLUTION
        else:
            remedy, until = f" A leave at the end of cycle {cycle.name} or later would have kept it.", cycle.end
        loss = self._lateness(reward, leave)
        return loss + (remedy if self._is_kept_leaving_at(reward, leave, until) else "")

    def _lateness(self, reward: Reward, leave: EventId) -> str:
        left_at = self._left_at(leave)
        if reward.achieved_at == left_at:
            return "It was achieved at the same instant as the leave."
        if reward.achieved_at > left_at:
            return f"It was achieved {duration(reward.achieved_at - left_at)} after the leave."
        cycle = self.calendar.cycle_numbered(reward.cycle)
        counts = f"It counts from the start of cycle {cycle.name}"
        if cycle.start == left_at:
            return f"{counts}, which is the time of the leave."
        return f"{counts}, {duration(cycle.start - left_at)} after the leave."

    def _already_achieved(self, reward: Reward, index: int) -> str | None:
        found = self._kept_before(reward, index)
        if found is None:
            return None
        first, stay = found
        cycle = self.calendar.cycle_numbered(first.cycle).name
        loss = (
            f"The customer keeps reward {first.reward_id} of cycle {cycle} for the same achievement: "
            f"it was achieved {moment(first.achieved_at)} in stay {stay + 1} of the same run."
        )
        remedy = " If the customer had started over when enrolling again, this reward would have been kept too."
        return loss + (remedy if self._is_kept_starting_over(reward, index) else "")

    def _kept_before(self, reward: Reward, index: int) -> tuple[Reward, int] | None:
        """The reward that this one repeats, and its stay: of the earliest stay in the run of the stay at this index."""
        spells = self.settlement.spells
        standings = self.settlement.standings
        repeated = [
            (standing.spell, other.achieved_at, other.reward_id, other)
            for other in self.account.rewards
            if (standing := standings[other.reward_id]).state is RewardState.KEPT
            and standing.spell is not None
            and standing.spell < index
            and spells[standing.spell].run == spells[index].run
            and self._is_same_achievement(other, reward)
        ]
        if not repeated:
            return None
        stay, _, _, first = min(repeated, key=lambda one: one[:3])
        return first, stay

    def _is_same_achievement(self, one: Reward, other: Reward) -> bool:
        if (one.level, one.allocation) != (other.level, other.allocation):
            return False
        return self.target.kind is TargetKind.STREAK or one.cycle == other.cycle

    def _left_at(self, leave: EventId) -> datetime:
        return next(one.effective_at for one in self.account.leaves if one.key == leave)

    def _is_kept_leaving_at(self, reward: Reward, leave: EventId, at: datetime) -> bool:
        return _is_kept(reward, self.trials.settle((leave, at), lambda: self._with_leave_at(leave, at)))

    def _is_kept_starting_over(self, reward: Reward, index: int) -> bool:
        change = (self.settlement.spells[index].enrollment, None)
        return _is_kept(reward, self.trials.settle(change, lambda: self._with_fresh_start(index)))

    def _with_leave_at(self, leave: EventId, at: datetime) -> Account:
        leaves = (one._replace(effective_at=at) if one.key == leave else one for one in self.account.leaves)
        return self.account._replace(leaves=tuple(leaves))

    def _with_fresh_start(self, index: int) -> Account:
        key = self.settlement.spells[index].enrollment
        enrollments = (self._start_over(one) if one.key == key else one for one in self.account.enrollments)
        return self.account._replace(enrollments=tuple(enrollments))

    def _start_over(self, enrollment: Enrollment) -> Enrollment:
        if self.target.kind is TargetKind.STREAK:
            return enrollment._replace(reset_streak_status=True)
        return enrollment._replace(initial_balance=Decimal(0))


def _is_kept(reward: Reward, settlement: Settlement | None) -> bool:
    return settlement is not None and settlement.standings[reward.reward_id].state is RewardState.KEPT
