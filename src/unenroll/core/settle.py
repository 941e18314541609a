"""Settles an account: computes its spells, outcomes and reward standings from its facts (rules.md)."""

from collections.abc import Mapping
from typing import NamedTuple

from unenroll.core.calendar import Calendar
from unenroll.core.definitions import Target
from unenroll.core.events import EventId
from unenroll.core.facts import Account, Reward
from unenroll.core.spells import NO_CYCLE_LEFT, NOTHING_LEFT, EnrollmentResult, LeaveResult, Spell, spell_history
from unenroll.core.standings import Standing, affected_rewards, reward_standings


class Settlement(NamedTuple):
    """The spells of an account, the result of each leave and enrollment, and the standing of each reward by id."""

    spells: tuple[Spell, ...]
    leaves: Mapping[EventId, LeaveResult]
    enrollments: Mapping[EventId, EnrollmentResult]
    standings: Mapping[str, Standing]


def settle(account: Account, target: Target, calendar: Calendar) -> Settlement:
    """Return the settlement of an account of this target (rules.md sections 1 to 3)."""
    history = spell_history(account, target, calendar)
    standings = reward_standings(account, history.spells, target=target, calendar=calendar)
    return Settlement(history.spells, history.leaves, history.enrollments, standings)


def settle_reward(
    last: Settlement, reward: Reward, account: Account, *, target: Target, calendar: Calendar
) -> tuple[Settlement, tuple[Reward, ...]]:
    """Return the settlement of an account that got this reward, or its payment, since the settlement `last`.

    It equals that of `settle`, and costs little however many facts the account has: a reward changes no spell. Returns
    also the rewards whose standings were computed again.
    """
    rewards = affected_rewards(reward, account, last.spells, kind=target.kind)
    affected = account._replace(rewards=rewards)
    standings = reward_standings(affected, last.spells, target=target, calendar=calendar)
    return last._replace(standings={**last.standings, **standings}), rewards


def awaits_cycles(settlement: Settlement) -> bool:
    """Return whether new cycles can change the settlement: a leave or an enrollment came after the last cycle."""
    return NOTHING_LEFT in settlement.leaves.values() or NO_CYCLE_LEFT in settlement.enrollments.values()
