"""Labels on the bands of a timeline: the name of each cycle, or the first and the last name of a band."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from unenroll.core.calendar import Cycle
from unenroll.explain.cycles import CyclesTold
from unenroll.explain.words import cycles_named
from unenroll.front.scale import Scale

_NARROW, _WIDE = 290, 800
_CHARACTER, _MARGIN = 8, 6


class Room(StrEnum):
    """The screens that are wide enough for a label."""

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
    """Label each cycle on screens where all their names fit, and on others each band whose text fits."""
    single = [(cycle.name, *scale.stretch(cycle.start, cycle.end)) for cycle in cycles]
    joint = [(cycles_named(lot), *scale.stretch(lot.start, lot.end)) for lot in lots]
    rooms = {room(text, width) for text, _, width in single}
    if rooms == {Room.ALL}:
        return tuple(Label(x=x, width=width, text=text, room=Room.ALL) for text, x, width in single)
    fitting = [(text, x, width, fits) for text, x, width in joint if (fits := room(text, width)) is not None]
    if None in rooms:
        return tuple(Label(x=x, width=width, text=text, room=fits) for text, x, width, fits in fitting)
    return (
        *(Label(x=x, width=width, text=text, room=Room.WIDE) for text, x, width in single),
        *(Label(x=x, width=w, text=text, room=Room.NARROW) for text, x, w, fits in fitting if fits is Room.ALL),
    )


def room(text: str, width: float) -> Room | None:
    """The screens on which the text fits on a band of this width in percent, or None."""
    needed = len(text) * _CHARACTER + _MARGIN
    if needed <= _NARROW * width / 100:
        return Room.ALL
    return Room.WIDE if needed <= _WIDE * width / 100 else None
