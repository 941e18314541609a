"""Facts that find no place, in the order of contract.md's reasons."""

from dataclasses import replace

import pytest

from core.campaigns import (
    ABC,
    DAYS,
    DEFINITIONS,
    IMMEDIATE,
    MONTHS,
    PERIOD_END,
    XYZ,
    at,
    defined,
    enrolled,
    group,
    issued,
    reward,
)
from unenroll.core.admission import Misplaced, place
from unenroll.core.events import CustomerEnrolled, RewardEarned, RewardIssued
from unenroll.core.facts import Enrollment, Issuance, Reward

ENROLLED = enrolled("1 Jan", from_="c2", balance=5, reset=True)
EARNED = reward("R1", "c3", PERIOD_END, "5 Mar", level=7)
LEVEL = reward("L4", "d4", IMMEDIATE, "4 Jan", target=XYZ, level=4)
ISSUED = issued("R1", "16 Mar")


@pytest.mark.parametrize(
    ("event", "reason", "detail"),
    [
        (replace(ENROLLED, group_id=99, target_id=98), "group_not_found", "There is no target group 99."),
        (replace(EARNED, group_id=99, target_id=98), "group_not_found", "There is no target group 99."),
        (replace(ENROLLED, target_id=98, period_name="c9"), "target_not_found", "There is no target 98."),
        (replace(EARNED, target_id=98, period_name="c9"), "target_not_found", "There is no target 98."),
        (replace(ISSUED, target_id=98), "target_not_found", "There is no target 98."),
        (
            replace(ENROLLED, target_id=22, period_name="c9"),
            "target_not_in_group",
            "Target 22 belongs to target group 12, not to 11.",
        ),
        (
            replace(EARNED, target_id=22, period_name="c9"),
            "target_not_in_group",
            "Target 22 belongs to target group 12, not to 11.",
        ),
        (replace(ENROLLED, period_name="c9"), "period_not_found", "Target group 11 has no cycle c9."),
        (replace(EARNED, period_name="c9"), "period_not_found", "Target group 11 has no cycle c9."),
        (
            replace(LEVEL, period_name="c9", allocation=PERIOD_END, level=None),
            "period_not_found",
            "Target group 12 has no cycle c9.",
        ),
        (
            replace(LEVEL, allocation=PERIOD_END, level=None),
            "period_end_on_streak",
            "Reward L4 of streak 22 is PERIOD_END; streaks have IMMEDIATE only.",
        ),
        (replace(LEVEL, level=None), "level_missing", "Reward L4 of streak 22 names no level."),
        (replace(LEVEL, level=5), "level_not_found", "Reward L4 of streak 22 is of level 5; there are 4, 8, 12."),
    ],
)
def test_the_first_reason_that_applies_is_given(
    event: CustomerEnrolled | RewardEarned | RewardIssued, reason: str, detail: str
) -> None:
    assert place(event, DEFINITIONS) == Misplaced(reason=reason, detail=detail)


def test_an_enrollment_keeps_all_that_it_tells() -> None:
    assert place(ENROLLED, DEFINITIONS) == Enrollment(
        key=ENROLLED.key,
        enrolled_at=at("1 Jan"),
        from_cycle=2,
        initial_balance=ENROLLED.initial_balance,
        reset_streak_status=True,
        origin=ENROLLED.origin,
    )


def test_an_enrollment_without_a_cycle_goes_by_its_time() -> None:
    placed = place(enrolled("1 Jan"), DEFINITIONS)
    assert isinstance(placed, Enrollment)
    assert placed.from_cycle is None


def test_the_level_of_a_milestone_is_free() -> None:
    assert place(EARNED, DEFINITIONS) == Reward(
        reward_id="R1", cycle=3, allocation=PERIOD_END, achieved_at=at("5 Mar"), level=7
    )


def test_the_level_of_a_streak_is_one_of_its_own() -> None:
    placed = place(LEVEL, DEFINITIONS)
    assert isinstance(placed, Reward)
    assert placed.level == 4


def test_an_issuance_needs_nothing_but_its_target() -> None:
    assert place(ISSUED, DEFINITIONS) == Issuance(reward_id="R1", issued_at=at("16 Mar"))


def test_inactive_groups_and_targets_still_take_facts() -> None:
    closed = defined(group(11, MONTHS, replace(ABC, active=False), active=False))
    assert not isinstance(place(ENROLLED, closed), Misplaced)
    assert not isinstance(place(EARNED, closed), Misplaced)
    assert not isinstance(place(ISSUED, closed), Misplaced)


def test_a_target_that_two_groups_define_belongs_to_the_first() -> None:
    twice = defined(group(12, DAYS, ABC), group(11, MONTHS, ABC))
    assert place(ENROLLED, twice) == Misplaced(
        reason="target_not_in_group", detail="Target 21 belongs to target group 12, not to 11."
    )
