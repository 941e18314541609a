"""Decides which rewards are kept and which are cancelled, and by which rule (rules.md section 3)."""

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
    """The state of a reward."""

    KEPT = "KEPT"
    CANCELLED = "CANCELLED"


class RewardAction(StrEnum):
    """What to do about a cancelled reward: VOID, do not pay it; REVERSE, take back what was paid."""

    VOID = "VOID"
    REVERSE = "REVERSE"


class Rule(StrEnum):
    """Why a reward is kept or cancelled. The first seven are in the order of the table; the first match wins."""

    NO_SPELL = "NO_SPELL"
    ENROLLED = "ENROLLED"
    CYCLE_FINISHED = "CYCLE_FINISHED"
    AFTER_UNENROLLMENT = "AFTER_UNENROLLMENT"
    ACHIEVED_BEFORE_UNENROLLMENT = "ACHIEVED_BEFORE_UNENROLLMENT"
    CARRIED_ON = "CARRIED_ON"
    PERIOD_END_LOST = "PERIOD_END_LOST"
    ALREADY_ACHIEVED = "ALREADY_ACHIEVED"


CANCELLING_RULES = frozenset({Rule.AFTER_UNENROLLMENT, Rule.PERIOD_END_LOST, Rule.ALREADY_ACHIEVED})
"""The rules that cancel a reward. All others keep it."""


class Standing(NamedTuple):
    """The state of a reward, and the rule behind it.

    `spell` is the index of the reward's spell, if it has one. `leave` is the leave that governs the reward, if any.
    """

    state: RewardState
    rule: Rule
    action: RewardAction | None = None
    spell: int | None = None
    leave: EventId | None = None


def reward_standings(
    account: Account, spells: Sequence[Spell], *, target: Target, calendar: Calendar
) -> Mapping[str, Standing]:
    """Return the standing of each reward of the account by `rewardId` (rules.md section 3)."""
    if len(spells) == 1 and spells[0].closed_at is None:
        return _in_open_first_spell(account, spells[0])
    standings = {
        reward.reward_id: _standing(reward, calendar.cycle_numbered(reward.cycle), spells, issued=account.issuances)
        for reward in account.rewards
    }
    if len(spells) > 1:
        standings.update(_repetitions(account, spells, kind=target.kind, standings=standings))
    return standings


def affected_rewards(
    reward: Reward, account: Account, spells: Sequence[Spell], *, kind: TargetKind
) -> tuple[Reward, ...]:
    """Return the rewards whose standings can differ because of this reward of the account, or of its payment.

    Where the customer has one spell at most, that is the reward alone; else also those for the same achievement.
    """
    if len(spells) <= 1:
        return (reward,)
    same = _achievement(reward, kind, run=0)
    return tuple([one for one in account.rewards if _achievement(one, kind, run=0) == same])


_NO_SPELL = Standing(RewardState.KEPT, Rule.NO_SPELL)
_ENROLLED = Standing(RewardState.KEPT, Rule.ENROLLED, spell=0)


def _in_open_first_spell(account: Account, spell: Spell) -> Mapping[str, Standing]:
    """The most common case, computed faster than by `_standing` and with the same result."""
    first_cycle = spell.first_cycle
    return {reward.reward_id: _ENROLLED if first_cycle <= reward.cycle else _NO_SPELL for reward in account.rewards}


def _standing(reward: Reward, cycle: Cycle, spells: Sequence[Spell], *, issued: Container[str]) -> Standing:
    counted_at = cycle.clamp(reward.achieved_at)
    index = _spell_index(cycle, counted_at, spells)
    if index is None:
        return _NO_SPELL
    spell = spells[index]
    rule = _rule(reward, cycle, counted_at, spell=spell, later=spells[index + 1 :])
    if rule in CANCELLING_RULES:
        return Standing(RewardState.CANCELLED, rule, _action(reward, issued), index, spell.closed_by)
    return Standing(RewardState.KEPT, rule, None, index, spell.closed_by)


def _spell_index(cycle: Cycle, counted_at: datetime, spells: Sequence[Spell]) -> int | None:
    """Of the spells that count the cycle, return the last one that opened by `counted_at`, or else the first one."""
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
    """Return the first matching rule of the table for a reward of this spell."""
    left_at = spell.closed_at
    if left_at is None:
        return Rule.ENROLLED
    if cycle.end <= left_at:
        return Rule.CYCLE_FINISHED
    if counted_at >= left_at:
        return Rule.AFTER_UNENROLLMENT
    if reward.allocation is RewardAllocation.IMMEDIATE:
        return Rule.ACHIEVED_BEFORE_UNENROLLMENT
    for later_spell in later:
        if later_spell.run == spell.run and _covers_end(later_spell, cycle):
            return Rule.CARRIED_ON
    return Rule.PERIOD_END_LOST


def _covers_end(later: Spell, cycle: Cycle) -> bool:
    """Return whether a spell after the first one is open at the end of the cycle and counts the cycle."""
    if later.first_cycle > cycle.number or later.opened_at is None or later.opened_at >= cycle.end:
        return False
    return later.closed_at is None or later.closed_at >= cycle.end


def _action(reward: Reward, issued: Container[str]) -> RewardAction:
    if reward.allocation is RewardAllocation.IMMEDIATE or reward.reward_id in issued:
        return RewardAction.REVERSE
    return RewardAction.VOID


def _repetitions(
    account: Account, spells: Sequence[Spell], *, kind: TargetKind, standings: Mapping[str, Standing]
) -> dict[str, Standing]:
    """Return new standings for the kept rewards that repeat one kept in an earlier spell of the same run."""
    kept_rewards = [
        (standing.spell, reward, _achievement(reward, kind, spells[standing.spell].run))
        for reward in account.rewards
        if (standing := standings[reward.reward_id]).state is RewardState.KEPT and standing.spell is not None
    ]
    first_kept_in: dict[_Achievement, int] = {}
    for index, _, achievement in kept_rewards:
        first_kept_in[achievement] = min(index, first_kept_in.get(achievement, index))
    return {
        reward.reward_id: Standing(
            RewardState.CANCELLED,
            Rule.ALREADY_ACHIEVED,
            action=_action(reward, account.issuances),
            spell=index,
            leave=spells[first_kept_in[achievement]].closed_by,
        )
        for index, reward, achievement in kept_rewards
        if index > first_kept_in[achievement]
    }


_Achievement = tuple[int, int | None, RewardAllocation, int | None]


def _achievement(reward: Reward, kind: TargetKind, run: int) -> _Achievement:
    return run, reward.level, reward.allocation, reward.cycle if kind is TargetKind.MILESTONE else None
