"""Which rewards stand, and by which rule (rules.md section 3)."""

from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from unenroll.core.calendar import Calendar, Cycle
from unenroll.core.definitions import Target, TargetKind
from unenroll.core.events import EventId, RewardAllocation
from unenroll.core.facts import Account, Reward
from unenroll.core.spells import Spell


class RewardState(StrEnum):
    """What is true of a reward now."""

    KEPT = "KEPT"
    CANCELLED = "CANCELLED"


class RewardAction(StrEnum):
    """What is to be done about a cancelled reward: never pay it, or take back what was paid."""

    VOID = "VOID"
    REVERSE = "REVERSE"


class Rule(StrEnum):
    """Why a reward stands or not: the first seven in the order of the table, where the first match wins."""

    NO_SPELL = "NO_SPELL"
    ENROLLED = "ENROLLED"
    CYCLE_FINISHED = "CYCLE_FINISHED"
    AFTER_UNENROLLMENT = "AFTER_UNENROLLMENT"
    ACHIEVED_BEFORE_UNENROLLMENT = "ACHIEVED_BEFORE_UNENROLLMENT"
    CARRIED_ON = "CARRIED_ON"
    PERIOD_END_LOST = "PERIOD_END_LOST"
    ALREADY_ACHIEVED = "ALREADY_ACHIEVED"


_CANCELLING = frozenset({Rule.AFTER_UNENROLLMENT, Rule.PERIOD_END_LOST})


class Standing(NamedTuple):
    """What is true of a reward: `spell` is the index of its stay, `leave` the one that governs it now."""

    state: RewardState
    rule: Rule
    action: RewardAction | None = None
    spell: int | None = None
    leave: EventId | None = None


def stand(account: Account, spells: Sequence[Spell], *, target: Target, calendar: Calendar) -> Mapping[str, Standing]:
    """The standing of each reward by `rewardId`, given the spells of the account."""
    if len(spells) == 1 and spells[0].closed_at is None:
        return _of_the_enrolled(account, spells[0])
    standings = {
        reward.reward_id: _standing(reward, calendar.numbered(reward.cycle), spells, issued=account.issued)
        for reward in account.rewards
    }
    if len(spells) > 1:
        standings.update(_repeats(account, spells, kind=target.kind, standings=standings))
    return standings


_NO_SPELL = Standing(RewardState.KEPT, Rule.NO_SPELL)
_ENROLLED = Standing(RewardState.KEPT, Rule.ENROLLED, spell=0)


def _of_the_enrolled(account: Account, spell: Spell) -> Mapping[str, Standing]:
    """What `_standing` says of each reward while nobody has left: the customer is in their first spell."""
    first_cycle = spell.first_cycle
    return {reward.reward_id: _ENROLLED if first_cycle <= reward.cycle else _NO_SPELL for reward in account.rewards}


def _standing(reward: Reward, cycle: Cycle, spells: Sequence[Spell], *, issued: Container[str]) -> Standing:
    counted_at = cycle.clamp(reward.achieved_at)
    index = _spell_of(cycle, counted_at, spells)
    if index is None:
        return _NO_SPELL
    spell = spells[index]
    rule = _rule(reward, cycle, counted_at, spell=spell, later=spells[index + 1 :])
    if rule in _CANCELLING:
        return Standing(RewardState.CANCELLED, rule, _action(reward, issued), index, spell.closed_by)
    return Standing(RewardState.KEPT, rule, None, index, spell.closed_by)


def _spell_of(cycle: Cycle, counted_at: datetime, spells: Sequence[Spell]) -> int | None:
    """The index of the last spell opened by then among those that had begun by the cycle, or else of the first."""
    first, index = None, len(spells)
    while index > 0:
        index -= 1
        spell = spells[index]
        if spell.first_cycle <= cycle.number:
            first = index
            if spell.opened_at is None or spell.opened_at <= counted_at:
                return index
    return first


def _rule(reward: Reward, cycle: Cycle, counted_at: datetime, *, spell: Spell, later: Sequence[Spell]) -> Rule:
    """The first rule of the table that matches, for a reward of this spell."""
    left_at = spell.closed_at
    if left_at is None:
        return Rule.ENROLLED
    if cycle.end <= left_at:
        return Rule.CYCLE_FINISHED
    if counted_at >= left_at:
        return Rule.AFTER_UNENROLLMENT
    if reward.allocation is RewardAllocation.IMMEDIATE:
        return Rule.ACHIEVED_BEFORE_UNENROLLMENT
    for another in later:
        if another.run == spell.run and _in_at_the_end(another, cycle):
            return Rule.CARRIED_ON
    return Rule.PERIOD_END_LOST


def _in_at_the_end(later: Spell, cycle: Cycle) -> bool:
    if later.first_cycle > cycle.number or later.opened_at is None or later.opened_at >= cycle.end:
        return False
    return later.closed_at is None or later.closed_at >= cycle.end


def _action(reward: Reward, issued: Container[str]) -> RewardAction:
    if reward.allocation is RewardAllocation.IMMEDIATE or reward.reward_id in issued:
        return RewardAction.REVERSE
    return RewardAction.VOID


def _repeats(
    account: Account, spells: Sequence[Spell], *, kind: TargetKind, standings: Mapping[str, Standing]
) -> dict[str, Standing]:
    """New standings of the rewards that repeat what an earlier spell of their run has kept already."""
    kept = [
        (standing.spell, reward, _achievement(reward, kind, spells[standing.spell].run))
        for reward in account.rewards
        if (standing := standings[reward.reward_id]).state is RewardState.KEPT and standing.spell is not None
    ]
    first_kept_in: dict[_Achievement, int] = {}
    for index, _, achievement in kept:
        first_kept_in[achievement] = min(index, first_kept_in.get(achievement, index))
    return {
        reward.reward_id: Standing(
            RewardState.CANCELLED,
            Rule.ALREADY_ACHIEVED,
            action=_action(reward, account.issued),
            spell=index,
            leave=spells[first_kept_in[achievement]].closed_by,
        )
        for index, reward, achievement in kept
        if index > first_kept_in[achievement]
    }


_Achievement = tuple[int, int | None, RewardAllocation, int | None]


def _achievement(reward: Reward, kind: TargetKind, run: int) -> _Achievement:
    return run, reward.level, reward.allocation, reward.cycle if kind is TargetKind.MILESTONE else None
