"""Facts sorted into stays, and what each leave and each enrollment did to them (rules.md sections 1 and 2)."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from unenroll.core.calendar import Calendar
from unenroll.core.definitions import EnrollmentMode, Target, TargetKind
from unenroll.core.events import EnrollmentOrigin, EventId
from unenroll.core.facts import Account, Enrollment, Leave
from unenroll.core.outcomes import EnrollmentOutcome, Outcome


class Spell(NamedTuple):
    """One stay. `opened_at` None: in from the start. `closed_at`, `closed_by` and `first_dropped` None: open."""

    first_cycle: int
    opened_at: datetime | None
    enrollment: EventId | None
    run: int
    closed_at: datetime | None = None
    closed_by: EventId | None = None
    first_dropped: int | None = None


class LeaveResult(NamedTuple):
    """What became of a leave: the index of the spell that it closed, or the leave that had ended the last one."""

    outcome: Outcome
    spell: int | None = None
    first_dropped: int | None = None
    ended_by: EventId | None = None


class EnrollmentResult(NamedTuple):
    """What became of an enrollment: the index of the spell that it opened."""

    outcome: EnrollmentOutcome
    spell: int | None = None


class SpellHistory(NamedTuple):
    """The spells in the order of their time, and what became of each leave and each enrollment."""

    spells: tuple[Spell, ...]
    leaves: Mapping[EventId, LeaveResult]
    enrollments: Mapping[EventId, EnrollmentResult]


def in_order(account: Account) -> list[Enrollment | Leave]:
    """The account's enrollments and leaves by time, at one instant the leaves first, then by id and source."""
    return sorted((*account.leaves, *account.enrollments), key=_place_in_time)


def walk(account: Account, target: Target, calendar: Calendar) -> SpellHistory:
    """The account's stays (rules.md section 2). A fact that is there twice counts once."""
    course = _SpellWalk(target, calendar)
    leaves: dict[EventId, LeaveResult] = {}
    enrollments: dict[EventId, EnrollmentResult] = {}
    for fact in in_order(account):
        if isinstance(fact, Leave):
            if fact.key not in leaves:
                leaves[fact.key] = course.leave(fact)
        elif fact.key not in enrollments:
            enrollments[fact.key] = course.enroll(fact)
    return SpellHistory(course.spells(), leaves, enrollments)


def _place_in_time(fact: Enrollment | Leave) -> tuple[datetime, bool, EventId]:
    if isinstance(fact, Leave):
        return fact.effective_at, False, fact.key
    return fact.enrolled_at, True, fact.key


_NOT_ENROLLED = LeaveResult(Outcome.NOT_ENROLLED)
NOTHING_LEFT = LeaveResult(Outcome.NOTHING_LEFT)
_ALREADY_ENROLLED = EnrollmentResult(EnrollmentOutcome.ALREADY_ENROLLED)
_LEAVING_IS_STICKY = EnrollmentResult(EnrollmentOutcome.LEAVING_IS_STICKY)
NO_CYCLE_LEFT = EnrollmentResult(EnrollmentOutcome.NO_CYCLE_LEFT)

_Opening = tuple[int, datetime | None, EventId | None, int]
"""A spell as far as its opening says: first cycle, instant, enrollment, run."""

_FROM_THE_START: _Opening = (1, None, None, 1)


class _SpellWalk:
    """The walk so far. `opening`: of the spell the customer is in. `out`: what a leave gets where there is none."""

    def __init__(self, target: Target, calendar: Calendar) -> None:
        self._kind = target.kind
        self._calendar = calendar
        self._closed: list[Spell] = []
        self._opening = _FROM_THE_START if target.enrollment is EnrollmentMode.AUTOMATIC else None
        self._out = _NOT_ENROLLED

    def spells(self) -> tuple[Spell, ...]:
        """Those that were closed, and the one that is open."""
        return tuple(self._closed) if self._opening is None else (*self._closed, Spell(*self._opening))

    def enroll(self, enrollment: Enrollment) -> EnrollmentResult:
        """Open a spell, or say why none was."""
        if self._opening is not None:
            return _ALREADY_ENROLLED
        if self._closed and enrollment.origin is EnrollmentOrigin.AUTOMATIC:
            return _LEAVING_IS_STICKY
        first_cycle = enrollment.from_cycle or self._cycle_from(enrollment.enrolled_at)
        if first_cycle is None:
            return NO_CYCLE_LEFT
        run = self._closed[-1].run + _starts_over(enrollment, self._kind) if self._closed else 1
        self._opening = first_cycle, enrollment.enrolled_at, enrollment.key, run
        return EnrollmentResult(EnrollmentOutcome.OPENED, len(self._closed))

    def leave(self, leave: Leave) -> LeaveResult:
        """Close the spell that the customer is in, or say why it was not."""
        opening = self._opening
        if opening is None:
            return self._out
        cut = self._cycle_from(leave.effective_at)
        if cut is None:
            return NOTHING_LEFT
        first_dropped = max(cut, opening[0])
        left = LeaveResult(Outcome.UNENROLLED, len(self._closed), first_dropped)
        self._closed.append(Spell(*opening, leave.effective_at, leave.key, first_dropped))
        self._opening, self._out = None, LeaveResult(Outcome.ALREADY_UNENROLLED, ended_by=leave.key)
        return left

    def _cycle_from(self, instant: datetime) -> int | None:
        cycle = self._calendar.first_from(instant)
        return None if cycle is None else cycle.number


def _starts_over(enrollment: Enrollment, kind: TargetKind) -> bool:
    if kind is TargetKind.STREAK:
        return enrollment.reset_streak_status
    return enrollment.initial_balance is not None
