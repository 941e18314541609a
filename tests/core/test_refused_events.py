"""Facts that the definitions refuse, in the order of the reasons in contract.md."""

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
from unenroll.core.admission import RefusedEvent, to_fact
from unenroll.core.events import CustomerEnrolled, RewardEarned, RewardIssued
from unenroll.core.facts import Enrollment, Issuance, Reward
from unenroll.core.reasons import Reason

ENROLLED = enrolled("1 Jan", from_="c2", balance=5, reset=True)
EARNED = reward("R1", "c3", PERIOD_END, "5 Mar", level=7)
LEVEL = reward("L4", "d4", IMMEDIATE, "4 Jan", target=XYZ, level=4)
ISSUED = issued("R1", "16 Mar")


@pytest.mark.parametrize(
    ("event", "reason", "detail"),
    [
        (replace(ENROLLED, group_id=99, target_id=98), Reason.GROUP_NOT_FOUND, "Target group 99 is not defined."),
        (replace(EARNED, group_id=99, target_id=98), Reason.GROUP_NOT_FOUND, "Target group 99 is not defined."),
        (replace(ENROLLED, target_id=98, period_name="c9"), Reason.TARGET_NOT_FOUND, "Target 98 is not defined."),
        (replace(EARNED, target_id=98, period_name="c9"), Reason.TARGET_NOT_FOUND, "Target 98 is not defined."),
        (replace(ISSUED, target_id=98), Reason.TARGET_NOT_FOUND, "Target 98 is not defined."),
        (
            replace(ENROLLED, target_id=22, period_name="c9"),
            Reason.TARGET_NOT_IN_GROUP,
            "Target 22 belongs to target group 12, not to 11.",
        ),
        (
            replace(EARNED, target_id=22, period_name="c9"),
            Reason.TARGET_NOT_IN_GROUP,
            "Target 22 belongs to target group 12, not to 11.",
        ),
        (replace(ENROLLED, period_name="c9"), Reason.PERIOD_NOT_FOUND, "Target group 11 has no cycle c9."),
        (replace(EARNED, period_name="c9"), Reason.PERIOD_NOT_FOUND, "Target group 11 has no cycle c9."),
        (
            replace(LEVEL, period_name="c9", allocation=PERIOD_END, level=None),
            Reason.PERIOD_NOT_FOUND,
            "Target group 12 has no cycle c9.",
        ),
        (
            replace(LEVEL, allocation=PERIOD_END, level=None),
            Reason.PERIOD_END_ON_STREAK,
            "Reward L4 of streak 22 is PERIOD_END; a streak has IMMEDIATE rewards only.",
        ),
        (
            replace(LEVEL, level=None),
            Reason.LEVEL_MISSING,
            "Reward L4 of streak 22 has no level; a streak requires one.",
        ),
        (
            replace(LEVEL, level=5),
            Reason.LEVEL_NOT_FOUND,
            "Reward L4 of streak 22 has level 5; the levels are 4, 8, 12.",
        ),
    ],
)
def test_the_first_reason_that_applies_is_given(
    event: CustomerEnrolled | RewardEarned | RewardIssued, reason: Reason, detail: str
) -> None:
    assert to_fact(event, DEFINITIONS) == RefusedEvent(reason=reason, detail=detail)


def test_an_enrollment_keeps_all_that_it_tells() -> None:
    assert to_fact(ENROLLED, DEFINITIONS) == Enrollment(
        key=ENROLLED.key,
        enrolled_at=at("1 Jan"),
        from_cycle=2,
        initial_balance=ENROLLED.initial_balance,
        reset_streak_status=True,
        origin=ENROLLED.origin,
    )


def test_an_enrollment_without_a_cycle_goes_by_its_time() -> None:
    placed = to_fact(enrolled("1 Jan"), DEFINITIONS)
    assert isinstance(placed, Enrollment)
    assert placed.from_cycle is None


def test_the_level_of_a_milestone_is_free() -> None:
    assert to_fact(EARNED, DEFINITIONS) == Reward(
        reward_id="R1", cycle=3, allocation=PERIOD_END, achieved_at=at("5 Mar"), level=7
    )


def test_the_level_of_a_streak_is_one_of_its_own() -> None:
    placed = to_fact(LEVEL, DEFINITIONS)
    assert isinstance(placed, Reward)
    assert placed.level == 4


def test_an_issuance_needs_nothing_but_its_target() -> None:
    assert to_fact(ISSUED, DEFINITIONS) == Issuance(reward_id="R1", issued_at=at("16 Mar"))


def test_inactive_groups_and_targets_still_take_facts() -> None:
    closed = defined(group(11, MONTHS, replace(ABC, active=False), active=False))
    assert not isinstance(to_fact(ENROLLED, closed), RefusedEvent)
    assert not isinstance(to_fact(EARNED, closed), RefusedEvent)
    assert not isinstance(to_fact(ISSUED, closed), RefusedEvent)


def test_a_target_that_two_groups_define_belongs_to_the_first() -> None:
    twice = defined(group(12, DAYS, ABC), group(11, MONTHS, ABC))
    assert to_fact(ENROLLED, twice) == RefusedEvent(
        reason=Reason.TARGET_NOT_IN_GROUP, detail="Target 21 belongs to target group 12, not to 11."
    )
