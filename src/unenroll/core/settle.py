"""The whole answer for an account."""

from collections.abc import Mapping
from typing import NamedTuple

from unenroll.core.calendar import Calendar
from unenroll.core.definitions import Target
from unenroll.core.events import EventId
from unenroll.core.facts import Account
from unenroll.core.spells import NO_CYCLE_LEFT, NOTHING_LEFT, EnrollmentResult, LeaveResult, Spell, walk
from unenroll.core.standings import Standing, stand


class Settlement(NamedTuple):
    """An account's spells, what became of each leave and enrollment, and each reward's standing by `rewardId`."""

    spells: tuple[Spell, ...]
    leaves: Mapping[EventId, LeaveResult]
    enrollments: Mapping[EventId, EnrollmentResult]
    standings: Mapping[str, Standing]


def settle(account: Account, target: Target, calendar: Calendar) -> Settlement:
    """The settlement of an account of this target: a pure function of its facts and the calendar (rules.md)."""
    stays = walk(account, target, calendar)
    standings = stand(account, stays.spells, target=target, calendar=calendar)
    return Settlement(stays.spells, stays.leaves, stays.enrollments, standings)


def waits(settlement: Settlement) -> bool:
    """Whether appended cycles can change the settlement: a leave or an enrollment found no cycle left."""
    return NOTHING_LEFT in settlement.leaves.values() or NO_CYCLE_LEFT in settlement.enrollments.values()
