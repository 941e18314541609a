"""Standings of rewards at the boundaries of each row (rules.md section 3)."""

from collections.abc import Sequence

import pytest

from core.campaigns import ABC, EVERYBODY, IMMEDIATE, PERIOD_END, XYZ, Scenario, enrolled, issued, key, leave, reward
from unenroll.core.events import Event, RewardAllocation
from unenroll.core.standings import RewardAction, RewardState, Rule, Standing

RESOLUTION = "23:59:59.999999"


def standing(reward_id: str, *events: Event) -> Standing:
    return Scenario().apply_all(events).settlement.standings[reward_id]


def rule_of(cycle: str, allocation: RewardAllocation, achieved: str, *events: Event) -> str:
    return standing("R", *events, reward("R", cycle, allocation, achieved)).rule


@pytest.mark.parametrize(
    ("cycle", "allocation", "achieved", "rule"),
    [
        ("c1", IMMEDIATE, "10 Jan", "NO_SPELL"),
        ("c3", IMMEDIATE, f"14 Mar {RESOLUTION}", "ACHIEVED_BEFORE_UNENROLLMENT"),
        ("c3", IMMEDIATE, "15 Mar", "AFTER_UNENROLLMENT"),
        ("c3", PERIOD_END, f"14 Mar {RESOLUTION}", "PERIOD_END_LOST"),
        ("c3", PERIOD_END, "15 Mar", "AFTER_UNENROLLMENT"),
        ("c2", PERIOD_END, "10 Feb", "CYCLE_FINISHED"),
        ("c2", IMMEDIATE, "10 May", "CYCLE_FINISHED"),
        ("c4", IMMEDIATE, "10 Jan", "AFTER_UNENROLLMENT"),
        ("c3", IMMEDIATE, "10 Jan", "ACHIEVED_BEFORE_UNENROLLMENT"),
    ],
)
def test_the_first_row_that_matches_decides(cycle: str, allocation: RewardAllocation, achieved: str, rule: str) -> None:
    assert rule_of(cycle, allocation, achieved, enrolled("1 Feb"), leave("15 Mar")) == rule
    still_in = "NO_SPELL" if rule == "NO_SPELL" else "ENROLLED"
    assert rule_of(cycle, allocation, achieved, enrolled("1 Feb")) == still_in


@pytest.mark.parametrize(("left", "rule"), [("1 Mar", "CYCLE_FINISHED"), (f"28 Feb {RESOLUTION}", "PERIOD_END_LOST")])
def test_a_cycle_is_finished_at_its_end(left: str, rule: str) -> None:
    assert rule_of("c2", PERIOD_END, "10 Feb", enrolled("1 Jan"), leave(left)) == rule


def test_an_achievement_after_its_cycle_counts_as_its_last_microsecond() -> None:
    came = enrolled("1 Jan")
    assert rule_of("c2", IMMEDIATE, "1 Jul", came, leave(f"28 Feb {RESOLUTION}")) == "AFTER_UNENROLLMENT"
    assert rule_of("c2", IMMEDIATE, "1 Jul", came, leave("1 Mar")) == "CYCLE_FINISHED"


def test_activity_earlier_in_the_enrollment_cycle_counts() -> None:
    events: list[Event] = [enrolled("15 Feb"), leave("20 Feb")]
    assert rule_of("c2", IMMEDIATE, "2 Feb", *events) == "ACHIEVED_BEFORE_UNENROLLMENT"


@pytest.mark.parametrize(
    ("achieved", "spell"),
    [("10 Mar", 0), (f"19 Mar {RESOLUTION}", 0), ("20 Mar", 1), ("26 Mar", 2), ("30 Mar", 2)],
)
def test_a_reward_is_of_the_last_spell_opened_by_then(achieved: str, spell: int) -> None:
    stays: list[Event] = [enrolled("1 Jan"), leave("15 Mar"), enrolled("20 Mar"), leave("25 Mar"), enrolled("26 Mar")]
    assert standing("R", *stays, reward("R", "c3", IMMEDIATE, achieved)).spell == spell


def test_a_spell_that_starts_from_a_later_cycle_does_not_count() -> None:
    events: list[Event] = [enrolled("1 Jan", from_="c4"), leave("10 Jan"), enrolled("20 Jan", from_="c1")]
    assert standing("R", *events, reward("R", "c1", IMMEDIATE, "5 Jan")).spell == 1


def test_in_an_automatic_target_the_first_spell_has_always_been_open() -> None:
    events: list[Event] = [leave("15 Mar", target=EVERYBODY), reward("R", "c1", IMMEDIATE, "10 Jan", target=EVERYBODY)]
    assert standing("R", *events) == Standing(RewardState.KEPT, Rule.CYCLE_FINISHED, spell=0, leave=key("leave 15 Mar"))


LOST: list[Event] = [enrolled("1 Jan"), reward("R", "c3", PERIOD_END, "5 Mar"), leave("15 Mar")]


@pytest.mark.parametrize(
    ("again", "rule"),
    [
        ([enrolled("20 Mar", from_="c3")], "CARRIED_ON"),
        ([enrolled("20 Mar", from_="c2")], "CARRIED_ON"),
        ([enrolled(f"31 Mar {RESOLUTION}", from_="c3")], "CARRIED_ON"),
        ([enrolled("1 Apr", from_="c3")], "PERIOD_END_LOST"),
        ([enrolled("20 Mar", from_="c4")], "PERIOD_END_LOST"),
        ([enrolled("20 Mar", from_="c3", balance=0)], "PERIOD_END_LOST"),
        ([enrolled("20 Mar", from_="c3"), leave("1 Apr")], "CARRIED_ON"),
        ([enrolled("20 Mar", from_="c3"), leave(f"31 Mar {RESOLUTION}")], "PERIOD_END_LOST"),
        ([enrolled("20 Mar"), leave("22 Mar"), enrolled("24 Mar")], "CARRIED_ON"),
        ([enrolled("20 Mar", balance=0), leave("22 Mar"), enrolled("24 Mar")], "PERIOD_END_LOST"),
    ],
)
def test_who_is_in_again_when_the_cycle_ends_keeps_what_it_pays(again: Sequence[Event], rule: str) -> None:
    found = standing("R", *LOST, *again)
    assert (found.rule, found.leave) == (rule, key("leave 15 Mar"))


@pytest.mark.parametrize(
    ("first", "second", "cancelled"),
    [
        (reward("1", "c3", IMMEDIATE, "5 Mar", level=1), reward("2", "c3", IMMEDIATE, "25 Mar", level=1), True),
        (reward("1", "c3", IMMEDIATE, "5 Mar"), reward("2", "c3", IMMEDIATE, "25 Mar", level=1), False),
        (reward("1", "c3", PERIOD_END, "5 Mar"), reward("2", "c3", IMMEDIATE, "25 Mar"), False),
        (reward("1", "c3", PERIOD_END, "5 Mar"), reward("2", "c3", PERIOD_END, "25 Mar"), True),
        (reward("1", "c2", IMMEDIATE, "5 Feb"), reward("2", "c3", IMMEDIATE, "25 Mar"), False),
        (reward("1", "c3", IMMEDIATE, "25 Mar"), reward("2", "c3", IMMEDIATE, "26 Mar"), False),
        (reward("1", "c3", IMMEDIATE, "17 Mar"), reward("2", "c3", IMMEDIATE, "25 Mar"), False),
    ],
)
def test_a_repeat_has_the_level_allocation_and_cycle_of_what_an_earlier_spell_kept(
    first: Event, second: Event, cancelled: bool
) -> None:
    found = standing("2", enrolled("1 Jan"), first, leave("15 Mar"), enrolled("20 Mar", from_="c3"), second)
    assert (found.rule is Rule.ALREADY_ACHIEVED) == cancelled
    assert found.spell == 1


def test_within_one_spell_an_achievement_may_carry_several_rewards() -> None:
    events: list[Event] = [
        enrolled("1 Jan"),
        reward("1", "c3", IMMEDIATE, "5 Mar"),
        reward("2", "c3", IMMEDIATE, "5 Mar"),
    ]
    again: list[Event] = [leave("15 Mar"), enrolled("20 Mar"), reward("3", "c3", IMMEDIATE, "25 Mar")]
    standings = Scenario().apply_all([*events, *again]).settlement.standings
    assert [standings[reward_id].state for reward_id in "123"] == ["KEPT", "KEPT", "CANCELLED"]


def test_a_repeat_names_the_leave_that_ended_the_spell_where_it_was_first_kept() -> None:
    events: list[Event] = [
        enrolled("1 Jan", target=XYZ),
        reward("1", "d4", IMMEDIATE, "4 Jan", target=XYZ, level=4),
        leave("5 Jan", target=XYZ),
        enrolled("6 Jan", target=XYZ),
        reward("2", "d10", IMMEDIATE, "10 Jan", target=XYZ, level=4),
        leave("11 Jan", target=XYZ),
        enrolled("12 Jan", target=XYZ),
        reward("3", "d16", IMMEDIATE, "16 Jan", target=XYZ, level=4),
    ]
    standings = Scenario().apply_all(events).settlement.standings
    assert [(standings[reward_id].rule, standings[reward_id].leave) for reward_id in "23"] == [
        (Rule.ALREADY_ACHIEVED, key("leave 5 Jan")),
        (Rule.ALREADY_ACHIEVED, key("leave 5 Jan")),
    ]


def test_what_was_earned_outside_every_spell_repeats_nothing() -> None:
    events: list[Event] = [
        enrolled("6 Jan", target=XYZ),
        reward("1", "d4", IMMEDIATE, "4 Jan", target=XYZ, level=4),
        leave("8 Jan", target=XYZ),
        enrolled("9 Jan", target=XYZ),
        reward("2", "d10", IMMEDIATE, "10 Jan", target=XYZ, level=4),
    ]
    standings = Scenario().apply_all(events).settlement.standings
    assert [standings[reward_id].rule for reward_id in "12"] == [Rule.NO_SPELL, Rule.ENROLLED]


def test_repeating_may_touch_a_finished_cycle() -> None:
    events: list[Event] = [
        enrolled("1 Jan", target=XYZ),
        reward("1", "d4", IMMEDIATE, "4 Jan", target=XYZ, level=4),
        leave("5 Jan", target=XYZ),
        enrolled("6 Jan", target=XYZ),
        reward("2", "d10", IMMEDIATE, "10 Jan", target=XYZ, level=4),
        leave("20 Jan", target=XYZ),
    ]
    assert standing("2", *events) == Standing(
        RewardState.CANCELLED, Rule.ALREADY_ACHIEVED, action=RewardAction.REVERSE, spell=1, leave=key("leave 5 Jan")
    )


@pytest.mark.parametrize(
    ("events", "action"),
    [
        ([reward("R", "c3", PERIOD_END, "20 Mar")], RewardAction.VOID),
        ([reward("R", "c3", PERIOD_END, "20 Mar", issued="21 Mar")], RewardAction.REVERSE),
        ([issued("R", "1 Jan"), reward("R", "c3", PERIOD_END, "20 Mar")], RewardAction.REVERSE),
        ([reward("R", "c3", PERIOD_END, "20 Mar"), issued("another", "21 Mar")], RewardAction.VOID),
        ([reward("R", "c3", IMMEDIATE, "20 Mar")], RewardAction.REVERSE),
    ],
)
def test_what_was_paid_is_reversed_and_the_rest_voided(events: Sequence[Event], action: RewardAction) -> None:
    assert standing("R", enrolled("1 Jan"), leave("15 Mar"), *events).action is action


def test_one_target_can_have_both_kinds_of_reward() -> None:
    events: list[Event] = [reward("paid", "c3", IMMEDIATE, "5 Mar"), reward("due", "c3", PERIOD_END, "5 Mar")]
    standings = Scenario().apply_all([enrolled("1 Jan", target=ABC), *events, leave("15 Mar")]).settlement.standings
    assert [standings["paid"].state, standings["due"].state] == [RewardState.KEPT, RewardState.CANCELLED]
