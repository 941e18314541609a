"""Late facts from rules.md section 6, with the events that a consumer reads (section 5)."""

from core.campaigns import (
    IMMEDIATE,
    PERIOD_END,
    Scenario,
    enrolled,
    issued,
    key,
    leave,
    reward,
)
from unenroll.core.changes import Change, RewardCancellation, Unenrollment
from unenroll.core.decide import Decision, Rejection
from unenroll.core.events import EnrollmentOrigin
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import Rule

ENROLLED = enrolled("1 Jan", from_="c1")
A3 = [
    reward("R1", "c1", PERIOD_END, "10 Jan"),
    reward("R2", "c2", IMMEDIATE, "10 Feb"),
    reward("R3", "c3", PERIOD_END, "5 Mar"),
    reward("R4", "c3", IMMEDIATE, "6 Mar"),
]


def summary(decided: Decision) -> list[str]:
    """One line per change: what changed, the leave or request, and what a consumer needs."""
    return [_line(change) for change in decided.changes]


def _line(change: Change | Rejection) -> str:
    if isinstance(change, Rejection):
        return f"rejected {change.request.key.id}: {change.outcome}"
    if isinstance(change, Unenrollment):
        dropped = f"{change.dropped_cycles.first}-{change.dropped_cycles.last}" if change.dropped_cycles else "nothing"
        supersedes = f", supersedes {change.supersedes.id}" if change.supersedes else ""
        return (
            f"unenrolled #{change.revision} {change.leave.key.id}: drops {dropped}, "
            f"cancels {change.rewards_cancelled}{supersedes}"
        )
    name = f"{change.reward.reward_id} #{change.revision} by {change.leave.key.id}: {change.rule}"
    return f"cancelled {name} {change.action}" if isinstance(change, RewardCancellation) else f"reinstated {name}"


def test_a3_a_leave_voids_what_was_to_be_paid_at_the_end_of_its_cycle() -> None:
    assert summary(Scenario().apply_all([ENROLLED, *A3, leave("15 Mar")])) == [
        "unenrolled #1 leave 15 Mar: drops c3-c5, cancels 1",
        "cancelled R3 #1 by leave 15 Mar: PERIOD_END_LOST VOID",
    ]


def test_a6_an_earlier_leave_supersedes_the_first_and_r3_stays_cancelled_in_silence() -> None:
    scenario = Scenario()
    scenario.apply_all([ENROLLED, *A3, leave("15 Mar")])
    decided = scenario.apply(leave("5 Feb"))
    assert summary(decided) == [
        "unenrolled #2 leave 5 Feb: drops c2-c5, cancels 2, supersedes leave 15 Mar",
        "cancelled R2 #1 by leave 5 Feb: AFTER_UNENROLLMENT REVERSE",
        "cancelled R4 #1 by leave 5 Feb: AFTER_UNENROLLMENT REVERSE",
    ]
    assert decided.settlement.leaves[key("leave 15 Mar")].outcome is Outcome.ALREADY_UNENROLLED
    r3 = decided.state.settled.rewards["R3"]
    assert (r3.rule, r3.revision, r3.leave, r3.cancelled_by) == (
        Rule.AFTER_UNENROLLMENT,
        1,
        key("leave 5 Feb"),
        key("leave 15 Mar"),
    )


def test_a7_late_rewards_are_judged_by_when_they_were_achieved() -> None:
    scenario = Scenario()
    scenario.apply_all([ENROLLED, reward("R1", "c1", PERIOD_END, "10 Jan"), leave("15 Jan")])
    assert summary(scenario.apply(reward("R9", "c1", IMMEDIATE, "14 Jan"))) == []
    assert summary(scenario.apply(reward("R10", "c1", IMMEDIATE, "16 Jan"))) == [
        "cancelled R10 #1 by leave 15 Jan: AFTER_UNENROLLMENT REVERSE"
    ]


def test_a8_after_the_last_cycle_nothing_is_left() -> None:
    assert summary(Scenario().apply_all([ENROLLED, leave("1 Jun")])) == ["rejected leave 1 Jun: NOTHING_LEFT"]


def test_a9_a_stale_leave_cannot_hit_the_new_spell() -> None:
    scenario = Scenario()
    scenario.apply_all([ENROLLED, leave("15 Mar"), enrolled("1 Apr", from_="c4")])
    scenario.apply(reward("R5", "c4", PERIOD_END, "10 Apr"))
    assert summary(scenario.apply(leave("20 Mar"))) == ["rejected leave 20 Mar: ALREADY_UNENROLLED"]


def test_a10_who_carries_on_before_the_cycle_ends_gets_the_reward_back() -> None:
    scenario = Scenario()
    scenario.apply_all([ENROLLED, reward("R3", "c3", PERIOD_END, "5 Mar")])
    assert summary(scenario.apply(leave("15 Mar 00:00"))) == [
        "unenrolled #1 leave 15 Mar 00:00: drops c3-c5, cancels 1",
        "cancelled R3 #1 by leave 15 Mar 00:00: PERIOD_END_LOST VOID",
    ]
    assert summary(scenario.apply(enrolled("15 Mar 00:01", from_="c3"))) == [
        "reinstated R3 #2 by leave 15 Mar 00:00: CARRIED_ON"
    ]


def test_a10_who_starts_over_does_not() -> None:
    scenario = Scenario()
    scenario.apply_all([ENROLLED, reward("R3", "c3", PERIOD_END, "5 Mar"), leave("15 Mar")])
    assert summary(scenario.apply(enrolled("15 Mar 00:01", from_="c3", balance=0))) == []


def test_a11_what_was_earned_before_cannot_be_earned_again_by_carrying_on() -> None:
    scenario = Scenario()
    scenario.apply_all(
        [ENROLLED, reward("R4", "c3", IMMEDIATE, "6 Mar"), leave("15 Mar"), enrolled("20 Mar", from_="c3")]
    )
    assert summary(scenario.apply(reward("R6", "c3", IMMEDIATE, "25 Mar"))) == [
        "cancelled R6 #1 by leave 15 Mar: ALREADY_ACHIEVED REVERSE"
    ]


def test_a11_what_was_earned_before_may_be_told_later() -> None:
    scenario = Scenario()
    scenario.apply_all(
        [ENROLLED, leave("15 Mar"), enrolled("20 Mar", from_="c3"), reward("R6", "c3", IMMEDIATE, "25 Mar")]
    )
    assert summary(scenario.apply(reward("R4", "c3", IMMEDIATE, "6 Mar"))) == [
        "cancelled R6 #1 by leave 15 Mar: ALREADY_ACHIEVED REVERSE"
    ]


def test_a11_starting_over_lets_it_be_earned_again() -> None:
    scenario = Scenario()
    scenario.apply_all([ENROLLED, reward("R4", "c3", IMMEDIATE, "6 Mar"), leave("15 Mar")])
    scenario.apply(enrolled("20 Mar", from_="c3", balance=0))
    assert summary(scenario.apply(reward("R6", "c3", IMMEDIATE, "25 Mar"))) == []


def test_a12_the_cycle_that_fell_is_not_part_of_the_new_spell() -> None:
    scenario = Scenario()
    scenario.apply_all([ENROLLED, leave("15 Mar"), enrolled("20 Mar", from_="c4")])
    assert summary(scenario.apply(reward("R7", "c3", IMMEDIATE, "25 Mar"))) == [
        "cancelled R7 #1 by leave 15 Mar: AFTER_UNENROLLMENT REVERSE"
    ]


def test_a_voided_reward_that_was_paid_by_a_race_is_cancelled_again_to_be_reversed() -> None:
    scenario = Scenario()
    scenario.apply_all([ENROLLED, *A3, leave("15 Mar")])
    assert summary(scenario.apply(issued("R3", "16 Mar"))) == [
        "cancelled R3 #2 by leave 15 Mar: PERIOD_END_LOST REVERSE",
    ]
    assert summary(scenario.apply(issued("R3", "17 Mar"))) == []


def test_the_event_of_a_race_names_the_leave_that_governs_by_then() -> None:
    scenario = Scenario()
    scenario.apply_all([ENROLLED, *A3, leave("15 Mar"), leave("12 Mar")])
    decided = scenario.apply(issued("R3", "16 Mar"))
    assert summary(decided) == ["cancelled R3 #2 by leave 12 Mar: PERIOD_END_LOST REVERSE"]
    assert decided.state.settled.rewards["R3"].cancelled_by == key("leave 12 Mar")


def test_a_reward_that_comes_back_names_the_leave_that_was_named_when_it_was_cancelled() -> None:
    scenario = Scenario()
    scenario.apply_all([ENROLLED, *A3, leave("15 Mar"), leave("12 Mar")])
    assert summary(scenario.apply(enrolled("20 Mar", from_="c3"))) == ["reinstated R3 #2 by leave 15 Mar: CARRIED_ON"]


def test_a_leave_that_came_before_its_enrollment_takes_effect_after_its_rejection() -> None:
    scenario = Scenario()
    assert summary(scenario.apply(leave("15 Mar"))) == ["rejected leave 15 Mar: NOT_ENROLLED"]
    assert summary(scenario.apply(ENROLLED)) == ["unenrolled #1 leave 15 Mar: drops c3-c5, cancels 0"]


def test_a_late_leave_makes_room_for_an_enrollment_that_was_ignored() -> None:
    scenario = Scenario()
    assert summary(scenario.apply_all([ENROLLED, enrolled("10 Mar", from_="c3"), leave("15 Mar")])) == [
        "unenrolled #1 leave 15 Mar: drops c3-c5, cancels 0"
    ]
    assert summary(scenario.apply(leave("5 Feb"))) == ["unenrolled #2 leave 5 Feb: drops c2-c2, cancels 0"]


def test_changes_among_rejections_publish_nothing() -> None:
    scenario = Scenario()
    scenario.apply_all([leave("15 Mar"), leave("20 Mar")])
    decided = scenario.apply(ENROLLED)
    assert summary(decided) == ["unenrolled #1 leave 15 Mar: drops c3-c5, cancels 0"]
    assert decided.settlement.leaves[key("leave 20 Mar")].outcome is Outcome.ALREADY_UNENROLLED


def test_a_leave_is_published_again_when_its_first_dropped_cycle_moves() -> None:
    scenario = Scenario()
    assert summary(scenario.apply_all([enrolled("2 Jan", from_="c4"), leave("15 Jan")])) == [
        "unenrolled #1 leave 15 Jan: drops c4-c5, cancels 0"
    ]
    assert summary(scenario.apply(enrolled("1 Jan", from_="c2"))) == [
        "unenrolled #2 leave 15 Jan: drops c2-c5, cancels 0"
    ]


def test_a_late_leave_before_an_automatic_enrollment_makes_leaving_sticky() -> None:
    scenario = Scenario()
    scenario.apply_all([enrolled("1 Feb", origin=EnrollmentOrigin.AUTOMATIC), leave("15 Mar"), leave("20 Jan")])
    assert summary(scenario.apply(enrolled("1 Jan", from_="c1"))) == [
        "unenrolled #2 leave 20 Jan: drops c1-c5, cancels 0, supersedes leave 15 Mar"
    ]


def test_a_superseded_leave_can_come_into_force_again() -> None:
    scenario = Scenario()
    scenario.apply_all([ENROLLED, reward("R", "c2", PERIOD_END, "10 Feb"), leave("25 Feb"), leave("5 Feb")])
    scenario.apply(enrolled("27 Feb", from_="c2"))
    assert summary(scenario.apply(enrolled("8 Feb", from_="c2"))) == [
        "unenrolled #3 leave 25 Feb: drops nothing, cancels 0",
        "reinstated R #2 by leave 25 Feb: CARRIED_ON",
    ]
