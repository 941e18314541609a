"""The layout of a story's timeline: cycles as bands, leaves as cuts, rewards as marks above or below the bands.

Positions along the time axis are percentages of the drawing's width, so that it fits every screen; heights are pixels.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from unenroll.core.calendar import Calendar, Cycle
from unenroll.core.standings import RewardState
from unenroll.explain.rewards import ExplainedReward
from unenroll.explain.stays import CycleState, ExplainedCycles, ExplainedSpell
from unenroll.explain.story import AccountStory
from unenroll.explain.text import cycle_names

MOST_CYCLES = 60
_BEFORE, _AFTER = 2, 10
_LANES = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """The drawn period."""

    start: datetime
    end: datetime

    def at(self, instant: datetime) -> float:
        """The position of the instant in percent. Instants outside of the period are at its edge."""
        share = (instant - self.start) / (self.end - self.start)
        return round(100 * min(max(share, 0.0), 1.0), 3)

    def stretch(self, start: datetime, end: datetime) -> tuple[float, float]:
        """Position and width of the drawn part of a period."""
        x = self.at(start)
        return x, round(max(self.at(end) - x, 0.0), 3)


def draw_timeline(cycles: Sequence[Cycle], moments: Iterable[datetime]) -> Sequence[Cycle]:
    """The cycles to draw: all, or of more than 60 those around these instants, which may be more than 60 too."""
    if len(cycles) <= MOST_CYCLES:
        return cycles
    instants = sorted(moments)
    if not instants:
        return cycles[:MOST_CYCLES]
    over = sum(cycle.end <= instants[0] for cycle in cycles)
    begun = sum(cycle.start <= instants[-1] for cycle in cycles)
    return cycles[min(max(over - _BEFORE, 0), len(cycles) - 1) : max(begun, 1) + _AFTER]


def lanes(places: Iterable[float], *, apart: float) -> list[int]:
    """For each place the lowest lane without a place nearer than `apart`, or the last lane if there is none."""
    taken: list[list[float]] = [[] for _ in range(_LANES)]
    found = []
    for place in places:
        free = (lane for lane, others in enumerate(taken) if all(abs(place - other) >= apart for other in others))
        lane = next(free, _LANES - 1)
        taken[lane].append(place)
        found.append(lane)
    return found


_NARROW, _WIDE = 290, 800
_CHARACTER, _MARGIN = 8, 6


class LabelVisibility(StrEnum):
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
    room: LabelVisibility


def cycle_labels(cycles: Iterable[Cycle], lots: Iterable[ExplainedCycles], scale: Scale) -> tuple[Label, ...]:
    """Label each cycle on screens where all their names fit, and on others each band whose text fits."""
    single = [(cycle.name, *scale.stretch(cycle.start, cycle.end)) for cycle in cycles]
    joint = [(cycle_names(lot), *scale.stretch(lot.start, lot.end)) for lot in lots]
    rooms = {label_visibility(text, width) for text, _, width in single}
    if rooms == {LabelVisibility.ALL}:
        return tuple(Label(x=x, width=width, text=text, room=LabelVisibility.ALL) for text, x, width in single)
    fitting = [
        (text, x, width, fits) for text, x, width in joint if (fits := label_visibility(text, width)) is not None
    ]
    if None in rooms:
        return tuple(Label(x=x, width=width, text=text, room=fits) for text, x, width, fits in fitting)
    return (
        *(Label(x=x, width=width, text=text, room=LabelVisibility.WIDE) for text, x, width in single),
        *(
            Label(x=x, width=w, text=text, room=LabelVisibility.NARROW)
            for text, x, w, fits in fitting
            if fits is LabelVisibility.ALL
        ),
    )


def label_visibility(text: str, width: float) -> LabelVisibility | None:
    """The screens on which the text fits on a band of this width in percent, or None."""
    needed = len(text) * _CHARACTER + _MARGIN
    if needed <= _NARROW * width / 100:
        return LabelVisibility.ALL
    return LabelVisibility.WIDE if needed <= _WIDE * width / 100 else None


ROW = 28
BAND = 40
BAR = 18
LABEL = 18
_GAP = 8
_MARK_SHARE = 8.0  # a mark is 24 px wide, and the drawing on a phone about 300 px
_CUT_SHARE = 38.0  # the date of a leave takes this share of it
_EDGE = 19.0
_MOST_BORDERS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """Consecutive cycles with the same fate."""

    x: float
    width: float
    fate: CycleState


@dataclass(frozen=True, kw_only=True, slots=True)
class LeaveMark:
    """A leave that ended a stay, with the position of its date."""

    x: float
    at: datetime
    y: int
    anchor: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SpellBar:
    """A stay. `room`: the screens on which its name fits."""

    x: float
    width: float
    name: str
    room: LabelVisibility | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A reward, with its number in the list: above the bands if it is kept, below them if it is cancelled."""

    x: float
    y: int
    number: int
    reward: ExplainedReward

    @property
    def stands(self) -> bool:
        """Whether the reward is kept."""
        return self.reward.state is RewardState.KEPT


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """The drawing, from top to bottom: dates of leaves, kept rewards, bands, cancelled rewards, stays, the axis.

    `band_y`, `bar_y` and `axis_y` are the upper edges of bands, stays and the axis. `part`: some cycles are not drawn.
    """

    scale: Scale
    bands: tuple[Band, ...]
    borders: tuple[float, ...]
    labels: tuple[Label, ...]
    cuts: tuple[LeaveMark, ...]
    bars: tuple[SpellBar, ...]
    marks: tuple[Mark, ...]
    band_y: int
    bar_y: int
    part: bool

    @property
    def axis_y(self) -> int:
        """The upper edge of the axis."""
        return self.bar_y + BAR + _GAP

    @property
    def height(self) -> int:
        """The height of the drawing."""
        return self.axis_y + LABEL


def timeline(story: AccountStory, calendar: Calendar) -> Timeline:
    """The timeline of the whole calendar, or of a long one the part with the facts."""
    cycles = draw_timeline(calendar.cycles, [fact.at for fact in story.facts])
    scale = Scale(start=cycles[0].start, end=cycles[-1].end)
    cuts = _cuts(story.stays, scale)
    above = list(_in_lanes(story.rewards, RewardState.KEPT, scale))
    below = list(_in_lanes(story.rewards, RewardState.CANCELLED, scale))
    band_y = max((cut.y + 5 for cut in cuts), default=0) + ROW * _lanes_of(above) + _GAP
    lower_y = band_y + BAND + _GAP
    marks = (
        *(_mark(one, scale, y=band_y - _GAP - ROW // 2 - ROW * lane) for lane, one in above),
        *(_mark(one, scale, y=lower_y + ROW // 2 + ROW * lane) for lane, one in below),
    )
    return Timeline(
        scale=scale,
        bands=tuple(_bands(cycles, [lot.fate for lot in story.cycles for _ in range(lot.count)], scale)),
        borders=_borders(cycles, scale),
        labels=cycle_labels(cycles, story.cycles, scale),
        cuts=cuts,
        bars=tuple(_bars(story.stays, cycles, scale)),
        marks=marks,
        band_y=band_y,
        bar_y=lower_y + ROW * _lanes_of(below) + _GAP,
        part=len(cycles) < len(calendar.cycles),
    )


def _bands(cycles: Iterable[Cycle], fates: Sequence[CycleState], scale: Scale) -> Iterator[Band]:
    """Join consecutive cycles with the same fate, unless there is a gap between them."""
    lots: list[tuple[datetime, datetime, CycleState]] = []
    for cycle in cycles:
        fate = fates[cycle.number - 1]
        if lots and lots[-1][1:] == (cycle.start, fate):
            lots[-1] = (lots[-1][0], cycle.end, fate)
        else:
            lots.append((cycle.start, cycle.end, fate))
    for start, end, fate in lots:
        x, width = scale.stretch(start, end)
        yield Band(x=x, width=width, fate=fate)


def _borders(cycles: Sequence[Cycle], scale: Scale) -> tuple[float, ...]:
    """The borders between cycles, unless there are so many that they would cover the bands."""
    if len(cycles) > _MOST_BORDERS:
        return ()
    inner = {cycle.start for cycle in cycles[1:]} | {cycle.end for cycle in cycles[:-1]}
    return tuple(scale.at(instant) for instant in sorted(inner))


def _cuts(stays: Iterable[ExplainedSpell], scale: Scale) -> tuple[LeaveMark, ...]:
    ends = [(scale.at(stay.leave.at), stay.leave.at) for stay in stays if stay.leave is not None]
    rows = lanes((x for x, _ in ends), apart=_CUT_SHARE)
    return tuple(
        LeaveMark(x=x, at=at, y=LABEL * (row + 1) - 5, anchor=_anchor(x))
        for (x, at), row in zip(ends, rows, strict=True)
    )


def _anchor(x: float) -> str:
    if x < _EDGE:
        return "start"
    return "middle" if x <= 100 - _EDGE else "end"


def _bars(stays: Iterable[ExplainedSpell], cycles: Sequence[Cycle], scale: Scale) -> Iterator[SpellBar]:
    for stay in stays:
        opened = cycles[0].start if stay.opened_at is None else stay.opened_at
        x, width = scale.stretch(opened, cycles[-1].end if stay.leave is None else stay.leave.at)
        name = f"stay {stay.number}"
        yield SpellBar(x=x, width=width, name=name, room=label_visibility(name, width))


_Numbered = tuple[int, ExplainedReward]


def _in_lanes(rewards: Iterable[ExplainedReward], state: RewardState, scale: Scale) -> Iterator[tuple[int, _Numbered]]:
    """The rewards in this state with their number, each in a lane where it covers no other mark."""
    numbered = [(number, reward) for number, reward in enumerate(rewards, start=1) if reward.state is state]
    return zip(lanes((scale.at(one.achieved_at) for _, one in numbered), apart=_MARK_SHARE), numbered, strict=True)


def _lanes_of(marks: Iterable[tuple[int, _Numbered]]) -> int:
    return 1 + max((lane for lane, _ in marks), default=-1)


def _mark(numbered: _Numbered, scale: Scale, *, y: int) -> Mark:
    number, reward = numbered
    return Mark(x=scale.at(reward.achieved_at), y=y, number=number, reward=reward)
