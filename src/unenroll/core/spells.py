"""Sorts enrollments and leaves into spells, and finds the result of each of them (rules.md sections 1 and 2)."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from unenroll.core.calendar import Calendar
from unenroll.core.definitions import EnrollmentMode, Target, TargetKind
from unenroll.core.events import EnrollmentOrigin, EventId
from unenroll.core.facts import Account, Enrollment, Leave
from unenroll.core.outcomes import EnrollmentOutcome, Outcome


class Spell(NamedTuple):
    """One stay of the customer in the target.

    `opened_at` and `enrollment` are None if the target enrolls everybody. `closed_at`, `closed_by` and `first_dropped`
    (a cycle number) are None while the spell is open. Spells with the same `run` carry on.
    """

    first_cycle: int
    opened_at: datetime | None
    enrollment: EventId | None
    run: int
    closed_at: datetime | None = None
    closed_by: EventId | None = None
    first_dropped: int | None = None


class LeaveResult(NamedTuple):
    """The result of a leave.

    If the leave is UNENROLLED, `spell` is the index of the spell that it closes and `first_dropped` a cycle number. If
    it is ALREADY_UNENROLLED, `ended_by` is the leave that closed the last spell before it.
    """

    outcome: Outcome
    spell: int | None = None
    first_dropped: int | None = None
    ended_by: EventId | None = None


class EnrollmentResult(NamedTuple):
    """The result of an enrollment. `spell` is the index of the spell that it opens, if any."""

    outcome: EnrollmentOutcome
    spell: int | None = None


class SpellHistory(NamedTuple):
    """The spells of an account in order of time, and the result of each leave and enrollment."""

    spells: tuple[Spell, ...]
    leaves: Mapping[EventId, LeaveResult]
    enrollments: Mapping[EventId, EnrollmentResult]


def spell_history(account: Account, target: Target, calendar: Calendar) -> SpellHistory:
    """Return the spells of the account (rules.md section 2). A fact that occurs twice counts once."""
    builder = _SpellBuilder(target, calendar)
    leaves: dict[EventId, LeaveResult] = {}
    enrollments: dict[EventId, EnrollmentResult] = {}
    for fact in chronological(account):
        if isinstance(fact, Leave):
            if fact.key not in leaves:
                leaves[fact.key] = builder.leave(fact)
        elif fact.key not in enrollments:
            enrollments[fact.key] = builder.enroll(fact)
    return SpellHistory(builder.spells(), leaves, enrollments)


def chronological(account: Account) -> list[Enrollment | Leave]:
    """Return enrollments and leaves by time; at the same instant leaves first, then by id and source (section 2)."""
    return sorted((*account.leaves, *account.enrollments), key=_sort_key)


def _sort_key(fact: Enrollment | Leave) -> tuple[datetime, bool, EventId]:
    if isinstance(fact, Leave):
        return fact.effective_at, False, fact.key
    return fact.enrolled_at, True, fact.key


_NOT_ENROLLED = LeaveResult(Outcome.NOT_ENROLLED)
NOTHING_LEFT = LeaveResult(Outcome.NOTHING_LEFT)
_ALREADY_ENROLLED = EnrollmentResult(EnrollmentOutcome.ALREADY_ENROLLED)
_LEAVING_IS_STICKY = EnrollmentResult(EnrollmentOutcome.LEAVING_IS_STICKY)
NO_CYCLE_LEFT = EnrollmentResult(EnrollmentOutcome.NO_CYCLE_LEFT)


class _SpellBuilder:
    """Builds the spells from facts in order of time. `_open` is the open spell, None while the customer is out."""

    def __init__(self, target: Target, calendar: Calendar) -> None:
        self._kind = target.kind
        self._calendar = calendar
        self._closed: list[Spell] = []
        self._open = Spell(1, None, None, 1) if target.enrollment is EnrollmentMode.AUTOMATIC else None
        self._result_while_out = _NOT_ENROLLED

    def spells(self) -> tuple[Spell, ...]:
        """Return the closed spells and the open one."""
        return tuple(self._closed) if self._open is None else (*self._closed, self._open)

    def enroll(self, enrollment: Enrollment) -> EnrollmentResult:
        """Open a spell unless a rule of section 2 forbids it."""
        if self._open is not None:
            return _ALREADY_ENROLLED
        if self._closed and enrollment.origin is EnrollmentOrigin.AUTOMATIC:
            return _LEAVING_IS_STICKY
        first_cycle = enrollment.from_cycle or self._cycle_number(enrollment.enrolled_at)
        if first_cycle is None:
            return NO_CYCLE_LEFT
        run = self._closed[-1].run + _starts_over(enrollment, self._kind) if self._closed else 1
        self._open = Spell(first_cycle, enrollment.enrolled_at, enrollment.key, run)
        return EnrollmentResult(EnrollmentOutcome.OPENED, len(self._closed))

    def leave(self, leave: Leave) -> LeaveResult:
        """Close the open spell, if there is one and a cycle is left to drop (section 1)."""
        spell = self._open
        if spell is None:
            return self._result_while_out
        cut = self._cycle_number(leave.effective_at)
        if cut is None:
            return NOTHING_LEFT
        first_dropped = max(cut, spell.first_cycle)
        result = LeaveResult(Outcome.UNENROLLED, len(self._closed), first_dropped)
        self._closed.append(Spell(*spell[:4], leave.effective_at, leave.key, first_dropped))
        self._open, self._result_while_out = None, LeaveResult(Outcome.ALREADY_UNENROLLED, ended_by=leave.key)
        return result

    def _cycle_number(self, instant: datetime) -> int | None:
        """Return the number of the cycle that contains the instant, or else of the next one."""
        cycle = self._calendar.cycle_at_or_after(instant)
        return None if cycle is None else cycle.number


def _starts_over(enrollment: Enrollment, kind: TargetKind) -> bool:
    if kind is TargetKind.STREAK:
        return enrollment.reset_streak_status
    return enrollment.initial_balance is not None
