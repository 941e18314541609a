"""A story as a drawing: cycles as bands, leaves as cuts, rewards as marks that stand on the bands or fell below them.

Places along the time axis are percentages of the drawing's width, so that it fits every screen; heights are pixels.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from unenroll.core.calendar import Calendar, Cycle
from unenroll.core.standings import State
from unenroll.explain.cycles import Fate
from unenroll.explain.rewards import RewardTold
from unenroll.explain.stays import StayTold
from unenroll.explain.story import Story
from unenroll.front.labels import Label, Room, cycle_labels, room
from unenroll.front.scale import Scale, drawn, lanes

ROW = 28
BAND = 40
BAR = 18
LABEL = 18
_GAP = 8
_MARK_SHARE = 8.0  # a mark is 24 px wide, and the drawing of a phone some 300
_CUT_SHARE = 38.0  # so much of it does the date of a leave take
_EDGE = 19.0
_MOST_BORDERS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """Cycles of one fate, from `x` on."""

    x: float
    width: float
    fate: Fate


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """A leave that ended a stay, and where its date stands."""

    x: float
    at: datetime
    y: int
    anchor: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A stay, from `x` on. `room`: where its name fits."""

    x: float
    width: float
    name: str
    room: Room | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A reward, by its number in the list: above the bands if it stands, below them if it fell."""

    x: float
    y: int
    number: int
    reward: RewardTold

    @property
    def stands(self) -> bool:
        """Whether the reward is kept."""
        return self.reward.state is State.KEPT


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """What is drawn, from top to bottom: dates of leaves, marks that stand, bands, marks that fell, stays, the axis.

    `band_y`, `bar_y` and `axis_y` are the upper edges of bands, stays and the axis. `part`: not all cycles are drawn.
    """

    scale: Scale
    bands: tuple[Band, ...]
    borders: tuple[float, ...]
    labels: tuple[Label, ...]
    cuts: tuple[Cut, ...]
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    band_y: int
    bar_y: int
    part: bool

    @property
    def axis_y(self) -> int:
        """Where the axis begins."""
        return self.bar_y + BAR + _GAP

    @property
    def height(self) -> int:
        """How high the drawing is."""
        return self.axis_y + LABEL


def timeline(story: Story, calendar: Calendar) -> Timeline:
    """The drawing of the story: all of its calendar, or of a long one the part where something happened."""
    cycles = drawn(calendar.cycles, _moments(story))
    scale = Scale(start=cycles[0].start, end=cycles[-1].end)
    fates = [lot.fate for lot in story.cycles for _ in range(lot.count)]
    cuts = _cuts(story.stays, scale)
    numbered = list(enumerate(story.rewards, start=1))
    standing = [(number, reward) for number, reward in numbered if reward.state is State.KEPT]
    fallen = [(number, reward) for number, reward in numbered if reward.state is State.CANCELLED]
    standing_lanes, fallen_lanes = _lanes(standing, scale), _lanes(fallen, scale)
    band_y = LABEL * _rows(cut.y for cut in cuts) + ROW * (1 + max(standing_lanes, default=-1)) + _GAP
    below = band_y + BAND
    marks = (
        *_marks(standing, scale, ys=[band_y - _GAP - ROW // 2 - ROW * lane for lane in standing_lanes]),
        *_marks(fallen, scale, ys=[below + _GAP + ROW // 2 + ROW * lane for lane in fallen_lanes]),
    )
    return Timeline(
        scale=scale,
        bands=tuple(_bands(cycles, fates, scale)),
        borders=_borders(cycles, scale),
        labels=cycle_labels(cycles, story.cycles, scale),
        cuts=tuple(cuts),
        bars=tuple(_bars(story.stays, cycles, scale)),
        marks=marks,
        band_y=band_y,
        bar_y=below + ROW * (1 + max(fallen_lanes, default=-1)) + 2 * _GAP,
        part=len(cycles) < len(calendar.cycles),
    )


def _moments(story: Story) -> list[datetime]:
    return [fact.at for fact in story.facts]


def _bands(cycles: Iterable[Cycle], fates: Sequence[Fate], scale: Scale) -> Iterator[Band]:
    """Cycles of one fate as one band, unless there is a gap between them."""
    lots: list[tuple[datetime, datetime, Fate]] = []
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
    """Where one cycle ends and the next begins, unless that would cover what they border."""
    if len(cycles) > _MOST_BORDERS:
        return ()
    inner = {cycle.start for cycle in cycles[1:]} | {cycle.end for cycle in cycles[:-1]}
    return tuple(scale.at(instant) for instant in sorted(inner))


def _cuts(stays: Iterable[StayTold], scale: Scale) -> list[Cut]:
    ends = [stay.leave.at for stay in stays if stay.leave is not None]
    places = [scale.at(at) for at in ends]
    rows = lanes(places, apart=_CUT_SHARE)
    return [
        Cut(x=x, at=at, y=LABEL * row + LABEL - 5, anchor=_anchor(x))
        for at, x, row in zip(ends, places, rows, strict=True)
    ]


def _anchor(x: float) -> str:
    if x < _EDGE:
        return "start"
    return "middle" if x <= 100 - _EDGE else "end"


def _rows(ys: Iterable[int]) -> int:
    return 1 + max(ys, default=-LABEL) // LABEL


def _bars(stays: Iterable[StayTold], cycles: Sequence[Cycle], scale: Scale) -> Iterator[Bar]:
    for stay in stays:
        opened = cycles[0].start if stay.opened_at is None else stay.opened_at
        x, width = scale.stretch(opened, cycles[-1].end if stay.leave is None else stay.leave.at)
        name = f"stay {stay.number}"
        yield Bar(x=x, width=width, name=name, room=room(name, width))


def _lanes(rewards: Iterable[tuple[int, RewardTold]], scale: Scale) -> list[int]:
    return lanes([scale.at(reward.achieved_at) for _, reward in rewards], apart=_MARK_SHARE)


def _marks(rewards: Iterable[tuple[int, RewardTold]], scale: Scale, *, ys: Iterable[int]) -> Iterator[Mark]:
    for (number, reward), y in zip(rewards, ys, strict=True):
        yield Mark(x=scale.at(reward.achieved_at), y=y, number=number, reward=reward)
