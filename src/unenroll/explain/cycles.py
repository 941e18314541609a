"""What became of an account's cycles."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby

from unenroll.core.calendar import Calendar, Cycle
from unenroll.core.events import EventId
from unenroll.core.spells import Spell


class Fate(StrEnum):
    """What a cycle is to the customer."""

    NOT_ENROLLED = "NOT_ENROLLED"
    TOOK_PART = "TOOK_PART"
    FELL = "FELL"
    TAKES_PART = "TAKES_PART"


@dataclass(frozen=True, kw_only=True, slots=True)
class CyclesTold:
    """Cycles in a row of one fate, by the names of the first and the last. `left_at`: the leave they fell with."""

    first: str
    last: str
    count: int
    start: datetime
    end: datetime
    fate: Fate
    left_at: datetime | None


_Lot = tuple[Fate, datetime | None, EventId | None]


def cycles_told(calendar: Calendar, spells: Sequence[Spell]) -> tuple[CyclesTold, ...]:
    """The cycles of the calendar in order, those in a row that share their fate as one."""
    lots = groupby(calendar.cycles, key=lambda cycle: _lot(cycle, spells))
    return tuple(_told(lot, tuple(cycles)) for lot, cycles in lots)


def _lot(cycle: Cycle, spells: Sequence[Spell]) -> _Lot:
    """By the last spell that had begun by the cycle: no later one drops what an earlier one kept."""
    spell = next((spell for spell in reversed(spells) if spell.first_cycle <= cycle.number), None)
    if spell is None:
        return Fate.NOT_ENROLLED, None, None
    if spell.first_dropped is None:
        return Fate.TAKES_PART, None, None
    if cycle.number < spell.first_dropped:
        return Fate.TOOK_PART, None, None
    return Fate.FELL, spell.closed_at, spell.closed_by


def _told(lot: _Lot, cycles: Sequence[Cycle]) -> CyclesTold:
    fate, left_at, _ = lot
    first, last = cycles[0], cycles[-1]
    return CyclesTold(
        first=first.name,
        last=last.name,
        count=len(cycles),
        start=first.start,
        end=last.end,
        fate=fate,
        left_at=left_at,
    )
