"""A view as text: as wide as it may be, and as high."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.columns import Columns
from rich.console import JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from unenroll.moments import clock_time, duration
from unenroll.paper import grid, plain
from unenroll.top.view import CountView, LaneView, View

_NOTHING = "\N{EN DASH}"
_NARROW = 72
_ROOMY = 100
_SHORT, _REST = 14, 84
"""A worker's name has what the other columns leave, and this at least."""
_STALE_SECONDS = 3
_WHOLE = 10  # a second, from which on a rate has no decimals
_STABLE = "Stable"
_STATES = {_STABLE: "stable", "Dead": "not there yet", "Empty": "empty"}
"""Kafka's words for the state of a group, where there are plainer ones. The others tell of lanes that move."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Column:
    """A column of lanes: `room` is how wide a screen has to be to have it."""

    head: str
    room: int = 0
    left: bool = False


_LANES = (
    _Column(head="lane"),
    _Column(head="worker", room=_NARROW, left=True),
    _Column(head="lag"),
    _Column(head="oldest"),
    _Column(head="records/s", room=50),
    _Column(head="decisions/s"),
    _Column(head="decided", room=_NARROW),
    _Column(head="published", room=_ROOMY),
    _Column(head="opened", room=_ROOMY),
)


def parts(view: View, *, width: int, lanes: int | None = None) -> Iterator[RenderableType]:
    """The view on so many columns. `lanes`: only so many of them, those with the greatest lag first; None: all."""
    yield _title(view, width)
    yield from (plain(f"! {why}", "bold red") for why in view.trouble)
    if view.found_at is None:
        yield Text("nothing was seen yet", "dim")
        return
    yield _summary(view)
    yield from _lanes(view.lanes, width=width, most=lanes)
    if view.counted_at is not None:
        yield from _counted(view, view.counted_at, width)


def _title(view: View, width: int) -> Text:
    title = plain(f"Group {view.group_id} of {view.topic_prefix}*", "bold")
    if view.group_state is not None:
        workers = "1 worker" if view.members == 1 else f"{view.members} workers"
        title.append(f"  {_STATES.get(view.group_state, view.group_state)}, {workers}", _color(view.group_state))
    title.append(f"  {clock_time(view.at)}" if width >= _NARROW else f"  {view.at:%H:%M:%S}Z", "dim")
    old = _age(view.found_at, view.at)
    if old >= _STALE_SECONDS:
        title.append(f"  as of {duration(timedelta(seconds=old))} ago", "red")
    return title


def _summary(view: View) -> Text:
    lanes, owned = view.lanes, sum(lane.owner is not None for lane in view.lanes)
    lag, oldest = sum(lane.lag for lane in lanes), [one.age_seconds for one in lanes if one.age_seconds is not None]
    shown = Text.assemble(
        (f"{len(lanes)} lanes, {owned} with a worker", "green" if owned == len(lanes) else "yellow"),
        "  lag ",
        (str(lag), "yellow" if lag else "green"),
        f"  oldest {_seconds(max(oldest, default=None))}",
        f"  {_sum(lane.records_per_second for lane in lanes)} records/s",
        f"  {_sum(lane.decisions_per_second for lane in lanes)} decisions/s",
    )
    gone = sum(lane.gone for lane in lanes)
    if gone:
        shown.append(f"  {gone} offsets are gone from the topics, and were not processed", "red")
    return shown


def _lanes(lanes: Sequence[LaneView], *, width: int, most: int | None) -> Iterator[RenderableType]:
    left_out = [] if most is None else sorted(lanes, key=lambda one: (-one.lag, one.lane))[most:]
    columns = [column for column in _LANES if width >= column.room]
    shown = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in columns:
        most_wide = max(_SHORT, width - _REST) if column.left else None
        justify: JustifyMethod = "left" if column.left else "right"
        shown.add_column(column.head, justify=justify, no_wrap=True, max_width=most_wide)
    for lane in lanes:
        if lane not in left_out:
            cells = dict(zip(_LANES, _cells(lane), strict=True))
            shown.add_row(*(cells[column] for column in columns))
    yield shown
    if left_out:
        yield Text(f"and {len(left_out)} lanes more, with a lag of {sum(lane.lag for lane in left_out)}", "dim")


def _cells(lane: LaneView) -> Sequence[Text]:
    return (
        Text(str(lane.lane)),
        Text(_NOTHING, "yellow") if lane.owner is None else plain(lane.owner),
        Text(str(lane.lag), "yellow" if lane.lag else "green"),
        Text(_seconds(lane.age_seconds)),
        Text(_rate(lane.records_per_second)),
        Text(_rate(lane.decisions_per_second)),
        Text(str(lane.decided)),
        Text(str(lane.published), "yellow" if lane.published < lane.decided else ""),
        Text(f"{lane.epoch} times" if lane.epoch != 1 else "once"),
    )


def _counted(view: View, counted_at: datetime, width: int) -> Iterator[RenderableType]:
    tables = [
        _table("requests", view.requests),
        _table("facts", view.facts),
        _table("dead letters", view.dead_letters),
    ]
    yield Text()
    if width >= _ROOMY:
        yield Columns(tables, padding=(0, 4))
    else:
        yield from tables
    old = _age(counted_at, view.at)
    if old >= _STALE_SECONDS:
        yield Text(f"counted {duration(timedelta(seconds=old))} ago", "dim")
    yield from _latest(view)


def _table(head: str, counts: Iterable[CountView]) -> Table:
    shown = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    shown.add_column(head, no_wrap=True)
    shown.add_column("in all", justify="right")
    shown.add_column("a second", justify="right")
    for one in counts:
        shown.add_row(plain(one.what), str(one.count), _rate(one.per_second))
    if not shown.row_count:
        shown.add_row(Text("none", "dim"), "", "")
    return shown


def _latest(view: View) -> Iterator[RenderableType]:
    if view.latest_dead_letters:
        yield Text("\nlatest dead letters", "dim")
        yield grid(
            (
                f"{one.decided_at:%H:%M:%S}Z",
                plain(one.reason, "red"),
                plain(f"{one.topic.removeprefix(view.topic_prefix)}-{one.partition}@{one.offset}"),
                _short(one.detail),
            )
            for one in view.latest_dead_letters
        )
    if view.latest_refusals:
        yield Text("\nlatest refused definitions", "dim")
        yield grid(
            (clock_time(one.refused_at), plain(one.reason, "red"), _short(one.detail)) for one in view.latest_refusals
        )
    if view.settlements_due:
        yield Text(f"\naccounts to be settled again after cycles were appended: {view.settlements_due}", "yellow")
    yield Text(f"\ndefinitions: {_definitions(view)}")


def _definitions(view: View) -> str:
    last = view.definitions
    if last is None:
        return "none"
    name = plain(last.name).plain
    groups = "1 group" if last.groups == 1 else f"{last.groups} groups"
    return f"{groups}; the last was {last.group_id} version {last.version}, {name}, {clock_time(last.accepted_at)}"


def _short(detail: str) -> Text:
    text = plain(detail)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _seconds(seconds: float | None) -> str:
    return _NOTHING if seconds is None else duration(timedelta(seconds=seconds)).replace("less than a second", "< 1 s")


def _color(state: str) -> str:
    return "green" if state == _STABLE else "yellow"


def _age(found_at: datetime | None, at: datetime) -> float:
    return 0.0 if found_at is None else (at - found_at).total_seconds()


def _rate(rate: float | None) -> str:
    return _NOTHING if rate is None else f"{rate:.1f}" if rate < _WHOLE else f"{rate:.0f}"


def _sum(rates: Iterable[float | None]) -> str:
    known = [rate for rate in rates if rate is not None]
    return _rate(sum(known)) if known else _NOTHING
