"""The fields of `UserUnenrolled` (contract.md, "Out")."""

from core.campaigns import (
    ABC,
    EVERYBODY,
    IMMEDIATE,
    PERIOD_END,
    XYZ,
    Scenario,
    at,
    defined,
    enrolled,
    group,
    key,
    leave,
    reward,
)
from unenroll.core.calendar import Calendar
from unenroll.core.changes import Span, Unenrollment
from unenroll.core.decide import resettle
from unenroll.core.definitions import TargetKind
from unenroll.core.events import Event

JANUARY, MARCH = ("c1", at("1 Jan"), at("1 Feb")), ("c2", at("1 Mar"), at("1 Apr"))
WITH_A_GAP = defined(group(11, Calendar.from_periods([JANUARY, MARCH]), ABC))
APPENDED = Calendar.from_periods([JANUARY, MARCH, ("c3", at("1 Apr"), at("1 May"))])


def unenrollment(*events: Event, scenario: Scenario | None = None) -> Unenrollment:
    """Return the unenrollment that the last event causes."""
    (event,) = [
        change for change in (scenario or Scenario()).apply_all(events).changes if isinstance(change, Unenrollment)
    ]
    return event


def test_it_says_what_falls_and_what_the_customer_keeps() -> None:
    event = unenrollment(enrolled("1 Feb"), leave("15 Mar"))
    assert (event.kind, event.cut_cycle, event.levels_kept) == (TargetKind.MILESTONE, "c3", None)
    assert event.kept_cycles == Span(first="c2", last="c2", count=1)
    assert event.dropped_cycles == Span(first="c3", last="c5", count=3)
    assert (event.leave.reason, event.leave.requested_by) == ("customer asked", "agent 7")
    assert (event.rewards_cancelled, event.supersedes, event.revision) == (0, None, 1)


def test_nothing_is_kept_where_the_first_cycle_falls() -> None:
    event = unenrollment(leave("15 Jan", target=EVERYBODY))
    assert event.kept_cycles is None
    assert event.dropped_cycles == Span(first="c1", last="c5", count=5)


def test_no_cycle_is_cut_in_a_gap() -> None:
    event = unenrollment(enrolled("1 Jan"), leave("15 Feb"), scenario=Scenario(WITH_A_GAP))
    assert event.cut_cycle is None
    assert event.kept_cycles == Span(first="c1", last="c1", count=1)
    assert event.dropped_cycles == Span(first="c2", last="c2", count=1)


def test_the_cut_is_the_cycle_of_the_effective_time_even_if_the_spell_starts_later() -> None:
    event = unenrollment(enrolled("1 Jan", from_="c5"), leave("15 Mar"))
    assert (event.cut_cycle, event.kept_cycles, event.dropped_cycles) == (
        "c3",
        None,
        Span(first="c5", last="c5", count=1),
    )


def test_what_falls_ends_before_the_earliest_cycle_of_a_later_spell() -> None:
    events: list[Event] = [
        leave("20 May"),
        enrolled("1 Apr", from_="c4"),
        leave("15 Apr"),
        enrolled("20 Apr", from_="c3"),
    ]
    event = unenrollment(enrolled("1 Jan"), *events, leave("15 Jan"))
    assert event.dropped_cycles == Span(first="c1", last="c2", count=2)


def test_nothing_falls_where_a_later_spell_starts_from_the_cut_cycle_or_before() -> None:
    scenario = Scenario()
    scenario.apply_all([enrolled("1 Jan"), enrolled("20 Mar", from_="c3")])
    assert unenrollment(leave("15 Mar"), scenario=scenario).dropped_cycles is None


def test_of_a_streak_it_says_which_levels_of_the_run_are_kept() -> None:
    events: list[Event] = [
        enrolled("1 Jan", target=XYZ),
        reward("L8", "d8", IMMEDIATE, "8 Jan", target=XYZ, level=8),
        reward("L4", "d4", IMMEDIATE, "4 Jan", target=XYZ, level=4),
        reward("late", "d12", IMMEDIATE, "12 Jan", target=XYZ, level=12),
        enrolled("15 Jan", target=XYZ),
        reward("again L4", "d18", IMMEDIATE, "18 Jan", target=XYZ, level=4),
        reward("L12", "d20", IMMEDIATE, "20 Jan", target=XYZ, level=12),
    ]
    scenario = Scenario()
    scenario.apply_all(events)
    assert unenrollment(leave("10 Jan", target=XYZ), scenario=scenario).levels_kept == (4, 8)
    assert unenrollment(leave("25 Jan", target=XYZ), scenario=scenario).levels_kept == (4, 8, 12)


def test_levels_of_another_run_do_not_count() -> None:
    events: list[Event] = [
        enrolled("2 Jan", target=XYZ),
        reward("outside", "d1", IMMEDIATE, "1 Jan", target=XYZ, level=12),
        reward("L8", "d8", IMMEDIATE, "8 Jan", target=XYZ, level=8),
        leave("10 Jan", target=XYZ),
        enrolled("15 Jan", target=XYZ, reset=True),
        reward("L4", "d18", IMMEDIATE, "18 Jan", target=XYZ, level=4),
    ]
    assert unenrollment(*events, leave("20 Jan", target=XYZ)).levels_kept == (4,)


def test_it_counts_the_cancellations_of_this_decision_that_name_this_leave() -> None:
    scenario = Scenario()
    scenario.apply_all(
        [
            enrolled("1 Jan"),
            reward("R1", "c1", PERIOD_END, "10 Jan"),
            reward("R2", "c2", IMMEDIATE, "10 Feb"),
            reward("R3", "c3", IMMEDIATE, "10 Mar"),
            leave("5 Mar"),
        ]
    )
    assert unenrollment(leave("5 Feb"), scenario=scenario).rewards_cancelled == 1


def test_appended_cycles_let_leaves_take_effect_in_the_order_of_their_time() -> None:
    scenario = Scenario(WITH_A_GAP)
    scenario.apply_all([enrolled("1 Jan"), leave("20 Apr"), enrolled("15 Apr"), leave("10 Apr")])
    assert scenario.state is not None
    decided = resettle(scenario.state, ABC, APPENDED)
    assert [
        (change.revision, change.leave.key, change.supersedes)
        for change in decided.changes
        if isinstance(change, Unenrollment)
    ] == [(1, key("leave 10 Apr"), None), (2, key("leave 20 Apr"), None)]
    assert decided.state.settled.revision == 2
    assert resettle(decided.state, ABC, APPENDED).changes == ()
