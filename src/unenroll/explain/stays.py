"""Explain the stays (spells) of an account, and the state of each cycle for the customer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import groupby

from unenroll.core.calendar import Calendar, Cycle
from unenroll.core.events import EventId
from unenroll.core.facts import Account, Leave
from unenroll.core.spells import Spell


class SpellBeginning(StrEnum):
    """How a stay began: as the first one, or with an enrollment that carried on or started over."""

    FIRST = "FIRST"
    CARRIED_ON = "CARRIED_ON"
    STARTED_OVER = "STARTED_OVER"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainedLeave:
    """A leave: the id and source of its event, and its effective time."""

    id: str
    source: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainedSpell:
    """One stay. Stays and runs are numbered from 1.

    `opened_at` is None if the customer took part from the start. `leave` is None while the stay is open.
    `initial_balance` is the balance of the enrollment that opened the stay, a decimal as text.
    """

    number: int
    run: int
    beginning: SpellBeginning
    opened_at: datetime | None
    first_cycle: str
    initial_balance: str | None
    leave: ExplainedLeave | None


def explain_spells(account: Account, spells: Sequence[Spell], calendar: Calendar) -> tuple[ExplainedSpell, ...]:
    """Return the stays by time (rules.md section 2)."""
    balances = {enrollment.key: enrollment.initial_balance for enrollment in account.enrollments}
    leaves = explain_leaves(account)
    return tuple(
        ExplainedSpell(
            number=index + 1,
            run=spell.run,
            beginning=spell_beginning(spells, index),
            opened_at=spell.opened_at,
            first_cycle=calendar.cycle_numbered(spell.first_cycle).name,
            initial_balance=decimal_text(None if spell.enrollment is None else balances[spell.enrollment]),
            leave=None if spell.closed_by is None else leaves[spell.closed_by],
        )
        for index, spell in enumerate(spells)
    )


def spell_beginning(spells: Sequence[Spell], index: int) -> SpellBeginning:
    """Return how the stay at this index began."""
    if index == 0:
        return SpellBeginning.FIRST
    return SpellBeginning.CARRIED_ON if spells[index].run == spells[index - 1].run else SpellBeginning.STARTED_OVER


def explain_leaves(account: Account) -> dict[EventId, ExplainedLeave]:
    """Return the leaves of the account by the ids of their events."""
    return {leave.key: explain_leave(leave) for leave in account.leaves}


def explain_leave(leave: Leave) -> ExplainedLeave:
    """Return the leave as an explanation shows it."""
    return ExplainedLeave(id=leave.key.id, source=leave.key.source, at=leave.effective_at)


def decimal_text(number: Decimal | None) -> str | None:
    """Return the number with all its digits and without an exponent, or None."""
    return None if number is None else format(number, "f")


class CycleState(StrEnum):
    """The state of a cycle for the customer. FELL: a leave dropped the cycle."""

    NOT_ENROLLED = "NOT_ENROLLED"
    TOOK_PART = "TOOK_PART"
    FELL = "FELL"
    TAKES_PART = "TAKES_PART"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainedCycles:
    """Consecutive cycles with the same state. `fate` is this state.

    `first` and `last` are names of cycles. `left_at` is the effective time of the leave that dropped the cycles.
    """

    first: str
    last: str
    count: int
    start: datetime
    end: datetime
    fate: CycleState
    left_at: datetime | None


_StateAndLeave = tuple[CycleState, datetime | None, EventId | None]


def explain_cycles(calendar: Calendar, spells: Sequence[Spell]) -> tuple[ExplainedCycles, ...]:
    """Return all cycles of the calendar in order, and join consecutive cycles with the same state and leave."""
    groups = groupby(calendar.cycles, key=lambda cycle: _state_and_leave(cycle, spells))
    return tuple(_explain_group(state, left_at, tuple(cycles)) for (state, left_at, _), cycles in groups)


def _state_and_leave(cycle: Cycle, spells: Sequence[Spell]) -> _StateAndLeave:
    """The last spell that started by this cycle decides: no later spell drops a cycle that an earlier one kept."""
    spell = next((spell for spell in reversed(spells) if spell.first_cycle <= cycle.number), None)
    if spell is None:
        return CycleState.NOT_ENROLLED, None, None
    if spell.first_dropped is None:
        return CycleState.TAKES_PART, None, None
    if cycle.number < spell.first_dropped:
        return CycleState.TOOK_PART, None, None
    return CycleState.FELL, spell.closed_at, spell.closed_by


def _explain_group(state: CycleState, left_at: datetime | None, cycles: Sequence[Cycle]) -> ExplainedCycles:
    first, last = cycles[0], cycles[-1]
    return ExplainedCycles(
        first=first.name,
        last=last.name,
        count=len(cycles),
        start=first.start,
        end=last.end,
        fate=state,
        left_at=left_at,
    )
