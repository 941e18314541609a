"""Compares the settlement of an account with the previous one and finds what to publish (rules.md section 5)."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from unenroll.core.calendar import Calendar
from unenroll.core.definitions import Target, TargetKind
from unenroll.core.events import EventId
from unenroll.core.facts import Account, Leave, Reward
from unenroll.core.outcomes import Outcome
from unenroll.core.settle import Settlement
from unenroll.core.spells import LeaveResult
from unenroll.core.standings import RewardAction, RewardState, Rule, Standing


class SettledLeave(NamedTuple):
    """The last settled result of a leave. `first_dropped` is a cycle number, None unless the leave is UNENROLLED."""

    outcome: Outcome
    first_dropped: int | None = None


class SettledReward(NamedTuple):
    """The last settled standing of a reward. `revision` is the number of events published about it.

    `leave` is the leave that governs the reward now. `cancelled_by` is the leave that the last `RewardCancelled` names.
    """

    state: RewardState
    rule: Rule
    action: RewardAction | None = None
    revision: int = 0
    leave: EventId | None = None
    cancelled_by: EventId | None = None


class SettledAccount(NamedTuple):
    """The last settlement of an account. `revision` is the number of `UserUnenrolled` published about it."""

    leaves: Mapping[EventId, SettledLeave] = MappingProxyType({})
    rewards: Mapping[str, SettledReward] = MappingProxyType({})
    revision: int = 0


class Span(NamedTuple):
    """Consecutive cycles: the names of the first and the last one, and their number."""

    first: str
    last: str
    count: int  # type: ignore[assignment] # hides tuple.count, which means nothing here


class Unenrollment(NamedTuple):
    """A `UserUnenrolled`: a leave took effect, or the first cycle that it drops changed.

    `cut_cycle` is the name of the cycle that contains the effective time, None outside a cycle. `dropped_cycles` and
    `kept_cycles` are None if there is no such cycle. `levels_kept` is None for a milestone. `supersedes` is the leave
    that stops being UNENROLLED because of this one.
    """

    leave: Leave
    kind: TargetKind
    cut_cycle: str | None
    dropped_cycles: Span | None
    kept_cycles: Span | None
    levels_kept: tuple[int, ...] | None
    rewards_cancelled: int
    supersedes: EventId | None
    revision: int


class RewardCancellation(NamedTuple):
    """A `RewardCancelled`: a reward became CANCELLED because of `leave`, or a cancelled one was paid after all."""

    reward: Reward
    leave: Leave
    rule: Rule
    action: RewardAction
    revision: int


class RewardReinstatement(NamedTuple):
    """A `RewardReinstated`: a cancelled reward is KEPT again. `leave` is the one that its last cancellation names."""

    reward: Reward
    leave: Leave
    rule: Rule
    revision: int


Change = Unenrollment | RewardCancellation | RewardReinstatement


class SettledScope(NamedTuple):
    """What was settled. `rewards` are the only ones whose standings may differ; None: all of the account."""

    account: Account
    target: Target
    calendar: Calendar
    rewards: Sequence[Reward] | None = None


def find_changes(
    before: SettledAccount, after: Settlement, scope: SettledScope
) -> tuple[SettledAccount, tuple[Change, ...]]:
    """Return the new settled state of the account, and the changes to publish (rules.md section 5).

    The changes of leaves come first, in the order of their spells; then those of rewards, by cycle, time of
    achievement and id. An entry that did not change is the same object as before.
    """
    leaves = {key: _settled_leave(before.leaves.get(key), result) for key, result in after.leaves.items()}
    rewards: dict[str, SettledReward] = {} if scope.rewards is None else dict(before.rewards)
    changed: list[Reward] = []
    for reward in scope.account.rewards if scope.rewards is None else scope.rewards:
        old = before.rewards.get(reward.reward_id, _NEVER_PUBLISHED)
        new = rewards[reward.reward_id] = _settled_reward(old, after.standings[reward.reward_id])
        if new.revision != old.revision:
            changed.append(reward)
    reward_changes = _reward_changes(changed, rewards, scope.account)
    builder = _UnenrollmentBuilder(before, after, scope.account, scope.target, scope.calendar)
    unenrollments = builder.build(leaves, reward_changes)
    settled = SettledAccount(leaves, rewards, before.revision + len(unenrollments))
    return settled, (*unenrollments, *reward_changes)


_NEVER_PUBLISHED = SettledReward(RewardState.KEPT, Rule.NO_SPELL)


def _settled_leave(old: SettledLeave | None, result: LeaveResult) -> SettledLeave:
    if old is not None and old.outcome is result.outcome and old.first_dropped == result.first_dropped:
        return old
    return SettledLeave(result.outcome, result.first_dropped)


def _settled_reward(old: SettledReward, standing: Standing) -> SettledReward:
    state, rule, action, _, leave = standing
    if old.rule is rule and old.action is action and old.leave == leave:
        return old
    if old.action is action:
        return SettledReward(state, rule, action, old.revision, leave, old.cancelled_by)
    return SettledReward(state, rule, action, old.revision + 1, leave, leave if action else old.cancelled_by)


def _reward_changes(
    changed: list[Reward], settled: Mapping[str, SettledReward], account: Account
) -> list[RewardCancellation | RewardReinstatement]:
    if not changed:
        return []
    leaves = _leaves_by_key(account)
    changed.sort(key=lambda reward: (reward.cycle, reward.achieved_at, reward.reward_id))
    return [_reward_change(reward, settled[reward.reward_id], leaves) for reward in changed]


def _reward_change(
    reward: Reward, settled: SettledReward, leaves: Mapping[EventId | None, Leave]
) -> RewardCancellation | RewardReinstatement:
    leave = leaves[settled.cancelled_by]
    if settled.action is None:
        return RewardReinstatement(reward, leave, settled.rule, settled.revision)
    return RewardCancellation(reward, leave, settled.rule, settled.action, settled.revision)


def _leaves_by_key(account: Account) -> dict[EventId | None, Leave]:
    return {leave.key: leave for leave in account.leaves}


class _UnenrollmentBuilder(NamedTuple):
    """Builds the `Unenrollment` of each leave that took effect or whose first dropped cycle changed."""

    before: SettledAccount
    after: Settlement
    account: Account
    target: Target
    calendar: Calendar

    def build(
        self,
        leaves: Mapping[EventId, SettledLeave],
        reward_changes: Sequence[RewardCancellation | RewardReinstatement],
    ) -> list[Unenrollment]:
        """Return the unenrollments in the order of their spells. `leaves` are the new settled leaves."""
        cancelling = [change.leave.key for change in reward_changes if isinstance(change, RewardCancellation)]
        unenrollments: list[Unenrollment] = []
        for index, spell in enumerate(self.after.spells):
            key, first_dropped = spell.closed_by, spell.first_dropped
            if key is None or first_dropped is None or leaves[key] is self.before.leaves.get(key):
                continue
            revision = self.before.revision + len(unenrollments) + 1
            unenrollments.append(
                self._unenrollment(index, first_dropped, rewards_cancelled=cancelling.count(key), revision=revision)
            )
        return unenrollments

    def _unenrollment(self, index: int, first_dropped: int, *, rewards_cancelled: int, revision: int) -> Unenrollment:
        spell = self.after.spells[index]
        leave = _leaves_by_key(self.account)[spell.closed_by]
        cut_cycle = self.calendar.cycle_at(leave.effective_at)
        later = self.after.spells[index + 1 :]
        reentry = min(spell.first_cycle for spell in later) if later else len(self.calendar.cycles) + 1
        return Unenrollment(
            leave=leave,
            kind=self.target.kind,
            cut_cycle=None if cut_cycle is None else cut_cycle.name,
            dropped_cycles=self._span(first_dropped, reentry),
            kept_cycles=self._span(spell.first_cycle, first_dropped),
            levels_kept=self._levels_kept(index) if self.target.kind is TargetKind.STREAK else None,
            rewards_cancelled=rewards_cancelled,
            supersedes=self._superseded_by(leave.key),
            revision=revision,
        )

    def _superseded_by(self, successor: EventId) -> EventId | None:
        for key, old in self.before.leaves.items():
            if old.outcome is Outcome.UNENROLLED and self.after.leaves[key].ended_by == successor:
                return key
        return None

    def _span(self, first: int, end: int) -> Span | None:
        """Return the cycles from number `first` up to, and without, number `end`; None if there are none."""
        if first >= end:
            return None
        cycle = self.calendar.cycle_numbered
        return Span(cycle(first).name, cycle(end - 1).name, end - first)

    def _levels_kept(self, index: int) -> tuple[int, ...]:
        """Return the levels of rewards that are kept in this spell and the earlier spells of its run, ascending."""
        spells = self.after.spells
        standings = ((reward.level, self.after.standings[reward.reward_id]) for reward in self.account.rewards)
        levels = {
            level
            for level, standing in standings
            if level is not None and standing.state is RewardState.KEPT and standing.spell is not None
            if standing.spell <= index and spells[standing.spell].run == spells[index].run
        }
        return tuple(sorted(levels))
