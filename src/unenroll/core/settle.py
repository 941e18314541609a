"""The whole answer for an account."""

from collections.abc import Mapping
from dataclasses import dataclass

from unenroll.core.calendar import Calendar
from unenroll.core.definitions import Target
from unenroll.core.events import EventId
from unenroll.core.facts import Account
from unenroll.core.outcomes import EnrollmentOutcome, Outcome
from unenroll.core.spells import EnrollmentResult, LeaveResult, Spell, walk
from unenroll.core.standings import Standing, stand


@dataclass(frozen=True, kw_only=True, slots=True)
class Settlement:
    """An account's spells, what became of each leave and enrollment, and each reward's standing by `rewardId`."""

    spells: tuple[Spell, ...]
    leaves: Mapping[EventId, LeaveResult]
    enrollments: Mapping[EventId, EnrollmentResult]
    standings: Mapping[str, Standing]


def settle(account: Account, target: Target, calendar: Calendar) -> Settlement:
    """The settlement of an account of this target: a pure function of its facts and the calendar (rules.md)."""
    stays = walk(account, target, calendar)
    return Settlement(
        spells=stays.spells,
        leaves=stays.leaves,
        enrollments=stays.enrollments,
        standings=stand(account, stays.spells, target=target, calendar=calendar),
    )


def waits(settlement: Settlement) -> bool:
    """Whether appended cycles can change the settlement: a leave or an enrollment found no cycle left."""
    return any(result.outcome is Outcome.NOTHING_LEFT for result in settlement.leaves.values()) or any(
        result.outcome is EnrollmentOutcome.NO_CYCLE_LEFT for result in settlement.enrollments.values()
    )
