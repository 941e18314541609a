"""An account's stays: which run each belongs to, and how it began and ended."""

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
    """How a stay began: it was the first one, or the customer came back in one of two ways."""

    FIRST = "FIRST"
    CARRIED_ON = "CARRIED_ON"
    STARTED_OVER = "STARTED_OVER"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainedLeave:
    """A leave by its event, and when it took effect."""

    id: str
    source: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainedSpell:
    """One spell, numbered from 1 as its run is. `opened_at` None: in from the start; `leave` None: it is open.

    `initial_balance` is that of the enrollment that opened it, a decimal as text: it is kept whatever it did.
    """

    number: int
    run: int
    beginning: SpellBeginning
    opened_at: datetime | None
    first_cycle: str
    initial_balance: str | None
    leave: ExplainedLeave | None


def explain_spells(account: Account, spells: Sequence[Spell], calendar: Calendar) -> tuple[ExplainedSpell, ...]:
    """The stays in the order of their time."""
    balances = {enrollment.key: enrollment.initial_balance for enrollment in account.enrollments}
    leaves = explain_leaves(account)
    return tuple(
        ExplainedSpell(
            number=index + 1,
            run=spell.run,
            beginning=beginning(spells, index),
            opened_at=spell.opened_at,
            first_cycle=calendar.numbered(spell.first_cycle).name,
            initial_balance=decimal_text(None if spell.enrollment is None else balances[spell.enrollment]),
            leave=None if spell.closed_by is None else leaves[spell.closed_by],
        )
        for index, spell in enumerate(spells)
    )


def beginning(spells: Sequence[Spell], index: int) -> SpellBeginning:
    """How the stay at this index began."""
    if index == 0:
        return SpellBeginning.FIRST
    return SpellBeginning.CARRIED_ON if spells[index].run == spells[index - 1].run else SpellBeginning.STARTED_OVER


def explain_leaves(account: Account) -> dict[EventId, ExplainedLeave]:
    """The account's leaves by their events."""
    return {leave.key: explain_leave(leave) for leave in account.leaves}


def explain_leave(leave: Leave) -> ExplainedLeave:
    """The leave as it is named wherever it is named."""
    return ExplainedLeave(id=leave.key.id, source=leave.key.source, at=leave.effective_at)


def decimal_text(number: Decimal | None) -> str | None:
    """Every digit as it was given, never with an exponent."""
    return None if number is None else format(number, "f")


class CycleState(StrEnum):
    """What a cycle is to the customer."""

    NOT_ENROLLED = "NOT_ENROLLED"
    TOOK_PART = "TOOK_PART"
    FELL = "FELL"
    TAKES_PART = "TAKES_PART"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainedCycles:
    """Cycles in a row of one fate, by the names of the first and the last. `left_at`: the leave they fell with."""

    first: str
    last: str
    count: int
    start: datetime
    end: datetime
    fate: CycleState
    left_at: datetime | None


_Lot = tuple[CycleState, datetime | None, EventId | None]


def explain_cycles(calendar: Calendar, spells: Sequence[Spell]) -> tuple[ExplainedCycles, ...]:
    """The cycles of the calendar in order, those in a row that share their fate as one."""
    lots = groupby(calendar.cycles, key=lambda cycle: _lot(cycle, spells))
    return tuple(_told(lot, tuple(cycles)) for lot, cycles in lots)


def _lot(cycle: Cycle, spells: Sequence[Spell]) -> _Lot:
    """By the last spell that had begun by the cycle: no later one drops what an earlier one kept."""
    spell = next((spell for spell in reversed(spells) if spell.first_cycle <= cycle.number), None)
    if spell is None:
        return CycleState.NOT_ENROLLED, None, None
    if spell.first_dropped is None:
        return CycleState.TAKES_PART, None, None
    if cycle.number < spell.first_dropped:
        return CycleState.TOOK_PART, None, None
    return CycleState.FELL, spell.closed_at, spell.closed_by


def _told(lot: _Lot, cycles: Sequence[Cycle]) -> ExplainedCycles:
    fate, left_at, _ = lot
    first, last = cycles[0], cycles[-1]
    return ExplainedCycles(
        first=first.name,
        last=last.name,
        count=len(cycles),
        start=first.start,
        end=last.end,
        fate=fate,
        left_at=left_at,
    )
