"""What is published when an account is settled otherwise than before (rules.md section 5)."""

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
    """What a leave was last settled to."""

    outcome: Outcome
    first_dropped: int | None = None


class SettledReward(NamedTuple):
    """What a reward was last settled to. `revision` counts what was published of it, 0: nothing yet.

    `leave` governs it now, `cancelled_by` is the leave that was named when it was last published as cancelled.
    """

    state: RewardState
    rule: Rule
    action: RewardAction | None = None
    revision: int = 0
    leave: EventId | None = None
    cancelled_by: EventId | None = None


class SettledAccount(NamedTuple):
    """What an account was last settled to. `revision` counts the `UserUnenrolled` published of it."""

    leaves: Mapping[EventId, SettledLeave] = MappingProxyType({})
    rewards: Mapping[str, SettledReward] = MappingProxyType({})
    revision: int = 0


class Span(NamedTuple):
    """Cycles in a row: the names of the first and the last, and how many."""

    first: str
    last: str
    count: int  # type: ignore[assignment] # hides tuple.count, which means nothing here


class Unenrollment(NamedTuple):
    """A leave took effect, or now cuts elsewhere. A span without a cycle is None, as are a milestone's `levels_kept`.

    `cut` is the name of the cycle that holds the effective time, `supersedes` the leave that stopped being UNENROLLED.
    """

    leave: Leave
    kind: TargetKind
    cut: str | None
    dropped: Span | None
    kept: Span | None
    levels_kept: tuple[int, ...] | None
    rewards_cancelled: int
    supersedes: EventId | None
    revision: int


class RewardCancellation(NamedTuple):
    """A reward does not stand any more, or turned out to be issued after it was cancelled; because of this leave."""

    reward: Reward
    leave: Leave
    rule: Rule
    action: RewardAction
    revision: int


class RewardReinstatement(NamedTuple):
    """A cancelled reward stands again. `leave` is the one that was named when it was cancelled."""

    reward: Reward
    leave: Leave
    rule: Rule
    revision: int


Change = Unenrollment | RewardCancellation | RewardReinstatement


def changes(
    before: SettledAccount, after: Settlement, *, account: Account, target: Target, calendar: Calendar
) -> tuple[SettledAccount, tuple[Change, ...]]:
    """What the account is settled to now, and what that publishes: leaves by time, then rewards by cycle and time.

    An entry that did not change is the same object as before.
    """
    leaves = {key: _leave(before.leaves.get(key), now) for key, now in after.leaves.items()}
    rewards: dict[str, SettledReward] = {}
    told: list[Reward] = []
    for reward in account.rewards:
        was = before.rewards.get(reward.reward_id, _UNHEARD)
        now = rewards[reward.reward_id] = _reward(was, after.standings[reward.reward_id])
        if now.revision != was.revision:
            told.append(reward)
    of_rewards = _of_rewards(told, rewards, account)
    of_leaves = _UnenrolledEvents(before, after, account, target, calendar).told(leaves, of_rewards)
    return SettledAccount(leaves, rewards, before.revision + len(of_leaves)), (*of_leaves, *of_rewards)


_UNHEARD = SettledReward(RewardState.KEPT, Rule.NO_SPELL)


def _leave(was: SettledLeave | None, now: LeaveResult) -> SettledLeave:
    if was is not None and was.outcome is now.outcome and was.first_dropped == now.first_dropped:
        return was
    return SettledLeave(now.outcome, now.first_dropped)


def _reward(was: SettledReward, now: Standing) -> SettledReward:
    state, rule, action, _, leave = now
    if was.rule is rule and was.action is action and was.leave == leave:
        return was
    if was.action is action:
        return SettledReward(state, rule, action, was.revision, leave, was.cancelled_by)
    return SettledReward(state, rule, action, was.revision + 1, leave, leave if action else was.cancelled_by)


def _of_rewards(
    told: list[Reward], now: Mapping[str, SettledReward], account: Account
) -> list[RewardCancellation | RewardReinstatement]:
    if not told:
        return []
    leaves = _by_key(account)
    told.sort(key=lambda one: (one.cycle, one.achieved_at, one.reward_id))
    return [_of_reward(reward, now[reward.reward_id], leaves) for reward in told]


def _of_reward(
    reward: Reward, now: SettledReward, leaves: Mapping[EventId | None, Leave]
) -> RewardCancellation | RewardReinstatement:
    leave = leaves[now.cancelled_by]
    if now.action is None:
        return RewardReinstatement(reward, leave, now.rule, now.revision)
    return RewardCancellation(reward, leave, now.rule, now.action, now.revision)


def _by_key(account: Account) -> dict[EventId | None, Leave]:
    return {leave.key: leave for leave in account.leaves}


class _UnenrolledEvents(NamedTuple):
    """What `UserUnenrolled` is told from."""

    before: SettledAccount
    after: Settlement
    account: Account
    target: Target
    calendar: Calendar

    def told(
        self, leaves: Mapping[EventId, SettledLeave], of_rewards: Sequence[RewardCancellation | RewardReinstatement]
    ) -> list[Unenrollment]:
        """What is told of the leaves that cut elsewhere than before, in the order of their spells."""
        cancelling = [change.leave.key for change in of_rewards if isinstance(change, RewardCancellation)]
        told: list[Unenrollment] = []
        for index, spell in enumerate(self.after.spells):
            key, first_dropped = spell.closed_by, spell.first_dropped
            if key is None or first_dropped is None or leaves[key] is self.before.leaves.get(key):
                continue
            revision = self.before.revision + len(told) + 1
            told.append(self._one(index, first_dropped, rewards_cancelled=cancelling.count(key), revision=revision))
        return told

    def _one(self, index: int, first_dropped: int, *, rewards_cancelled: int, revision: int) -> Unenrollment:
        spell = self.after.spells[index]
        leave = _by_key(self.account)[spell.closed_by]
        cut = self.calendar.holding(leave.effective_at)
        later = self.after.spells[index + 1 :]
        again_from = min(spell.first_cycle for spell in later) if later else len(self.calendar.cycles) + 1
        return Unenrollment(
            leave=leave,
            kind=self.target.kind,
            cut=None if cut is None else cut.name,
            dropped=self._span(first_dropped, again_from),
            kept=self._span(spell.first_cycle, first_dropped),
            levels_kept=self._levels_kept(index) if self.target.kind is TargetKind.STREAK else None,
            rewards_cancelled=rewards_cancelled,
            supersedes=self._superseded_by(leave.key),
            revision=revision,
        )

    def _superseded_by(self, successor: EventId) -> EventId | None:
        for key, was in self.before.leaves.items():
            if was.outcome is Outcome.UNENROLLED and self.after.leaves[key].ended_by == successor:
                return key
        return None

    def _span(self, first: int, until: int) -> Span | None:
        if first >= until:
            return None
        cycle = self.calendar.numbered
        return Span(cycle(first).name, cycle(until - 1).name, until - first)

    def _levels_kept(self, index: int) -> tuple[int, ...]:
        spells = self.after.spells
        standings = ((reward.level, self.after.standings[reward.reward_id]) for reward in self.account.rewards)
        levels = {
            level
            for level, now in standings
            if level is not None and now.state is RewardState.KEPT and now.spell is not None
            if now.spell <= index and spells[now.spell].run == spells[index].run
        }
        return tuple(sorted(levels))
