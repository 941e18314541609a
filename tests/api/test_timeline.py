"""Where a drawing has its bands, cuts and marks."""

from datetime import timedelta

import pytest

from support.accounts import day, days, enrollment, leave, reward, story_of
from unenroll.api.timeline import BAND, MOST_CYCLES, LabelVisibility, lanes, timeline
from unenroll.core.calendar import Calendar
from unenroll.core.events import RewardAllocation
from unenroll.core.facts import Enrollment, Leave
from unenroll.explain.stays import CycleState

TEN = days(10)


def test_cycles_are_bands_by_their_fate_and_the_leave_cuts_within_its_cycle() -> None:
    drawing = timeline(story_of(TEN, [enrollment(2), leave(5.5)]), TEN)
    assert [(band.fate, band.x, band.width) for band in drawing.bands] == [
        (CycleState.NOT_ENROLLED, 0, 10),
        (CycleState.TOOK_PART, 10, 30),
        (CycleState.FELL, 40, 60),
    ]
    assert [cut.x for cut in drawing.cuts] == [45]
    assert [(bar.x, bar.width) for bar in drawing.bars] == [(10, 35)]
    assert drawing.borders == tuple(range(10, 100, 10))


def test_a_reward_stands_above_the_bands_or_fell_below_them() -> None:
    rewards = [reward("stands", 4.5), reward("fell", 6), reward("lost", 5.2, allocation=RewardAllocation.PERIOD_END)]
    drawing = timeline(story_of(TEN, [enrollment(1), leave(5.5)], rewards), TEN)
    marks = {mark.reward.reward_id: mark for mark in drawing.marks}
    assert {name: (mark.number, mark.x, mark.stands) for name, mark in marks.items()} == {
        "stands": (1, 35, True),
        "lost": (2, 42, False),
        "fell": (3, 50, False),
    }
    assert marks["stands"].y < drawing.band_y
    assert drawing.band_y + BAND < marks["fell"].y < drawing.bar_y < drawing.axis_y < drawing.height


def test_marks_that_are_too_near_to_one_another_are_drawn_in_lanes() -> None:
    rewards = [reward("a", 3), reward("b", 3.1), reward("c", 5)]
    drawing = timeline(story_of(TEN, [enrollment(1)], rewards), TEN)
    first, second, third = (mark.y for mark in drawing.marks)
    assert second < first == third


def test_where_all_lanes_are_full_marks_share_the_last() -> None:
    assert lanes([50.0] * 9, apart=8) == [0, 1, 2, 3, 4, 5, 5, 5, 5]
    assert lanes([50.0] * 9 + [10.0], apart=8)[-1] == 0


def test_the_dates_of_leaves_do_not_cover_one_another_or_leave_the_drawing() -> None:
    facts: list[Enrollment | Leave] = [enrollment(1), leave(1.5), enrollment(3), leave(3.5), enrollment(9), leave(9.9)]
    cuts = timeline(story_of(TEN, facts), TEN).cuts
    assert [cut.anchor for cut in cuts] == ["start", "middle", "end"]
    assert cuts[0].y == cuts[2].y < cuts[1].y


def test_what_lies_outside_of_the_calendar_is_drawn_at_its_edge() -> None:
    drawing = timeline(story_of(TEN, [enrollment(-40), leave(-3)]), TEN)
    assert ([cut.x for cut in drawing.cuts], [bar.width for bar in drawing.bars]) == ([0], [0])


def test_an_account_without_any_stay_has_bands_only() -> None:
    drawing = timeline(story_of(TEN, [leave(3)]), TEN)
    assert [band.fate for band in drawing.bands] == [CycleState.NOT_ENROLLED]
    assert (drawing.cuts, drawing.bars, drawing.marks) == ((), (), ())


def test_a_gap_between_cycles_is_left_open() -> None:
    gapped = Calendar.from_periods((name, day(first), day(last)) for name, first, last in [("a", 1, 3), ("b", 9, 11)])
    drawing = timeline(story_of(gapped, [enrollment(1)]), gapped)
    assert [(band.x, band.width) for band in drawing.bands] == [(0, 20), (80, 20)]
    assert drawing.borders == (20, 80)


@pytest.mark.parametrize(
    ("count", "written"),
    [
        (5, {(f"d{number}", LabelVisibility.ALL) for number in range(1, 6)}),
        (
            12,
            {(f"d{number}", LabelVisibility.WIDE) for number in range(1, 13)}
            | {("d1\u2013d12", LabelVisibility.NARROW)},
        ),
        (60, {("d1\u2013d60", LabelVisibility.ALL)}),
    ],
)
def test_each_cycle_has_its_name_where_there_is_room(count: int, written: set[tuple[str, LabelVisibility]]) -> None:
    calendar = days(count)
    drawing = timeline(story_of(calendar, [enrollment(1)]), calendar)
    assert {(label.text, label.room) for label in drawing.labels} == written


def test_a_stay_has_its_name_where_there_is_room() -> None:
    drawing = timeline(story_of(TEN, [enrollment(1), leave(2), enrollment(2.1), leave(2.2), enrollment(5)]), TEN)
    assert [(bar.name, bar.room) for bar in drawing.bars] == [
        ("stay 1", LabelVisibility.WIDE),
        ("stay 2", None),
        ("stay 3", LabelVisibility.ALL),
    ]


def test_of_a_long_calendar_the_part_is_drawn_where_something_happened() -> None:
    long = days(1000)
    drawing = timeline(story_of(long, [enrollment(500), leave(510.5)]), long)
    assert drawing.part
    assert drawing.scale.start == day(498)
    assert drawing.scale.end == day(521)
    whole = days(MOST_CYCLES)
    assert not timeline(story_of(whole, [enrollment(1)]), whole).part


@pytest.mark.parametrize("at", [-500, 5000])
def test_what_happened_outside_of_a_long_calendar_is_drawn_too(at: int) -> None:
    long = days(1000)
    drawing = timeline(story_of(long, [leave(at)]), long)
    assert drawing.scale.end - drawing.scale.start >= timedelta(days=1)
