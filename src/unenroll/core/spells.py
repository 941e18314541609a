"""Facts sorted into stays, and what each leave and each enrollment did to them (rules.md sections 1 and 2)."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from unenroll.core.calendar import Calendar
from unenroll.core.definitions import EnrollmentMode, Kind, Target
from unenroll.core.events import EventId, Origin
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


class Stays(NamedTuple):
    """The spells in the order of their time, and what became of each leave and each enrollment."""

    spells: tuple[Spell, ...]
    leaves: Mapping[EventId, LeaveResult]
    enrollments: Mapping[EventId, EnrollmentResult]


def in_order(account: Account) -> list[Enrollment | Leave]:
    """The account's enrollments and leaves by time, at one instant the leaves first, then by id and source."""
    return sorted((*account.leaves, *account.enrollments), key=_place_in_time)


def walk(account: Account, target: Target, calendar: Calendar) -> Stays:
    """The account's stays (rules.md section 2). A fact that is there twice counts once."""
    course = _Course(target, calendar)
    for fact in in_order(account):
        if isinstance(fact, Leave):
            course.leave(fact)
        else:
            course.enroll(fact)
    return Stays(spells=tuple(course.spells), leaves=course.leaves, enrollments=course.enrollments)


def _place_in_time(fact: Enrollment | Leave) -> tuple[datetime, bool, EventId]:
    if isinstance(fact, Leave):
        return fact.effective_at, False, fact.key
    return fact.enrolled_at, True, fact.key


class _Course:
    """The walk so far: `current` is the spell that the customer is in, `ended_by` the leave that ended the last."""

    def __init__(self, target: Target, calendar: Calendar) -> None:
        self.spells: list[Spell] = []
        self.leaves: dict[EventId, LeaveResult] = {}
        self.enrollments: dict[EventId, EnrollmentResult] = {}
        self._kind = target.kind
        self._calendar = calendar
        self._current: Spell | None = None
        self._ended_by: EventId | None = None
        if target.enrollment is EnrollmentMode.AUTOMATIC:
            self._open(Spell(first_cycle=1, opened_at=None, enrollment=None, run=1))

    def enroll(self, enrollment: Enrollment) -> None:
        """Open a spell, or note why none was."""
        if enrollment.key not in self.enrollments:
            self.enrollments[enrollment.key] = self._enrolled(enrollment)

    def leave(self, leave: Leave) -> None:
        """Close the current spell, or note why it was not."""
        if leave.key not in self.leaves:
            self.leaves[leave.key] = self._left(leave)

    def _enrolled(self, enrollment: Enrollment) -> EnrollmentResult:
        if self._current is not None:
            return EnrollmentResult(outcome=EnrollmentOutcome.ALREADY_ENROLLED)
        if enrollment.origin is Origin.AUTOMATIC and self._ended_by is not None:
            return EnrollmentResult(outcome=EnrollmentOutcome.LEAVING_IS_STICKY)
        first_cycle = enrollment.from_cycle or self._cycle_from(enrollment.enrolled_at)
        if first_cycle is None:
            return EnrollmentResult(outcome=EnrollmentOutcome.NO_CYCLE_LEFT)
        self._open(
            Spell(
                first_cycle=first_cycle,
                opened_at=enrollment.enrolled_at,
                enrollment=enrollment.key,
                run=self._run_of(enrollment),
            )
        )
        return EnrollmentResult(outcome=EnrollmentOutcome.OPENED, spell=len(self.spells) - 1)

    def _left(self, leave: Leave) -> LeaveResult:
        spell = self._current
        if spell is None:
            out = Outcome.NOT_ENROLLED if self._ended_by is None else Outcome.ALREADY_UNENROLLED
            return LeaveResult(outcome=out, ended_by=self._ended_by)
        cut = self._cycle_from(leave.effective_at)
        if cut is None:
            return LeaveResult(outcome=Outcome.NOTHING_LEFT)
        first_dropped = max(cut, spell.first_cycle)
        self._close(spell, leave, first_dropped)
        return LeaveResult(outcome=Outcome.UNENROLLED, spell=len(self.spells) - 1, first_dropped=first_dropped)

    def _open(self, spell: Spell) -> None:
        self._current = spell
        self.spells.append(spell)

    def _close(self, spell: Spell, leave: Leave, first_dropped: int) -> None:
        self.spells[-1] = Spell(
            first_cycle=spell.first_cycle,
            opened_at=spell.opened_at,
            enrollment=spell.enrollment,
            run=spell.run,
            closed_at=leave.effective_at,
            closed_by=leave.key,
            first_dropped=first_dropped,
        )
        self._current = None
        self._ended_by = leave.key

    def _cycle_from(self, instant: datetime) -> int | None:
        cycle = self._calendar.first_from(instant)
        return None if cycle is None else cycle.number

    def _run_of(self, enrollment: Enrollment) -> int:
        if not self.spells:
            return 1
        return self.spells[-1].run + _starts_over(enrollment, self._kind)


def _starts_over(enrollment: Enrollment, kind: Kind) -> bool:
    if kind is Kind.STREAK:
        return enrollment.reset_streak_status
    return enrollment.initial_balance is not None
