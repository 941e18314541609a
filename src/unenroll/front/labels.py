"""What is written on the bands of a drawing: the name of each cycle, or of the first and the last of a band."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from unenroll.core.calendar import Cycle
from unenroll.explain.cycles import CyclesTold
from unenroll.explain.words import cycles_named
from unenroll.front.scale import Scale

_NARROW, _WIDE = 290, 800
_CHARACTER, _MARGIN = 8, 6


class Room(StrEnum):
    """On which screens a label is shown."""

    ALL = "all"
    WIDE = "wide"
    NARROW = "narrow"


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """A text on the band that begins at `x`."""

    x: float
    width: float
    text: str
    room: Room


def cycle_labels(cycles: Iterable[Cycle], lots: Iterable[CyclesTold], scale: Scale) -> tuple[Label, ...]:
    """The names of the cycles where each has room for its own, else the first and the last of each band."""
    single = [(cycle.name, *scale.stretch(cycle.start, cycle.end)) for cycle in cycles]
    joint = [(cycles_named(lot), *scale.stretch(lot.start, lot.end)) for lot in lots]
    if all(_fits(text, width, on=_NARROW) for text, _, width in single):
        return _labels(single, Room.ALL)
    narrow = [one for one in joint if _fits(one[0], one[2], on=_NARROW)]
    if all(_fits(text, width, on=_WIDE) for text, _, width in single):
        return _labels(single, Room.WIDE) + _labels(narrow, Room.NARROW)
    wide = [one for one in joint if one not in narrow and _fits(one[0], one[2], on=_WIDE)]
    return _labels(narrow, Room.ALL) + _labels(wide, Room.WIDE)


def room(text: str, width: float) -> Room | None:
    """Where there is room for the text on a band that is so wide, or None."""
    if _fits(text, width, on=_NARROW):
        return Room.ALL
    return Room.WIDE if _fits(text, width, on=_WIDE) else None


def _fits(text: str, width: float, *, on: int) -> bool:
    return len(text) * _CHARACTER + _MARGIN <= on * width / 100


def _labels(found: Sequence[tuple[str, float, float]], room: Room) -> tuple[Label, ...]:
    return tuple(Label(x=x, width=width, text=text, room=room) for text, x, width in found)
