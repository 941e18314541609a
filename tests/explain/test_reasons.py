"""A story says which leave governs a reward, and what would have kept a lost reward."""

from pathlib import Path

import pytest

from support.events import definition, enrollment_line, reward_line
from support.stories import CUSTOMER, decided_story, enrollment_event, leave_event, reward_of


@pytest.mark.parametrize(
    ("cycle", "allocation", "achieved", "left_at", "missed"),
    [
        (
            *("c1", "PERIOD_END", "2026-01-10T00:00:00Z", "2026-01-31T16:48:00Z"),
            "Cycle c1 ended 7 h 12 min after the leave. A leave at that time or later would have kept it.",
        ),
        (
            *("c2", "PERIOD_END", "2026-02-10T00:00:00Z", "2026-02-28T23:59:59.999Z"),
            "Cycle c2 ended less than a second after the leave. A leave at that time or later would have kept it.",
        ),
        (
            *("c1", "IMMEDIATE", "2026-01-17T00:00:00Z", "2026-01-15T00:00:00Z"),
            "It was achieved 2 days after the leave. A leave after that would have kept it.",
        ),
        (
            *("c1", "IMMEDIATE", "2026-01-15T00:00:00Z", "2026-01-15T00:00:00Z"),
            "It was achieved at the same instant as the leave. A leave after that would have kept it.",
        ),
        (
            *("c1", "PERIOD_END", "2026-01-16T01:00:00Z", "2026-01-15T00:00:00Z"),
            "It was achieved 1 day 1 h after the leave. A leave at the end of cycle c1 or later would have kept it.",
        ),
        (
            *("c2", "IMMEDIATE", "2026-01-10T00:00:00Z", "2026-01-15T00:00:00Z"),
            "It counts from the start of cycle c2, 17 days after the leave. A leave after that would have kept it.",
        ),
        (
            *("c2", "IMMEDIATE", "2026-01-10T00:00:00Z", "2026-02-01T00:00:00Z"),
            (
                "It counts from the start of cycle c2, which is the time of the leave. "
                "A leave after that would have kept it."
            ),
        ),
    ],
)
async def test_a_lost_reward_says_what_would_have_kept_it(
    database_url: str, tmp_path: Path, cycle: str, allocation: str, achieved: str, left_at: str, missed: str
) -> None:
    facts = [
        definition(),
        enrollment_line(CUSTOMER),
        reward_line(CUSTOMER, "R", cycle, allocation=allocation, at=achieved),
    ]
    result = await decided_story(database_url, tmp_path, facts, leave_event(left_at))
    assert reward_of(result, "R").missed == missed


async def test_a_remedy_that_would_not_have_helped_is_left_out(database_url: str, tmp_path: Path) -> None:
    facts = [definition(), enrollment_line(CUSTOMER), reward_line(CUSTOMER, "R", "c1", at="2026-01-10T00:00:00Z")]
    leaves = leave_event("2026-01-15T00:00:00Z", "first"), leave_event("2026-01-20T00:00:00Z", "second")
    result = await decided_story(database_url, tmp_path, facts, *leaves)
    assert reward_of(result, "R").missed == "Cycle c1 ended 17 days after the leave."


async def test_a_kept_reward_has_no_remedy(database_url: str, tmp_path: Path) -> None:
    facts = [definition(), enrollment_line(CUSTOMER), reward_line(CUSTOMER, "R", "c1", at="2026-01-10T00:00:00Z")]
    result = await decided_story(database_url, tmp_path, facts, leave_event("2026-03-15T00:00:00Z"))
    assert (reward_of(result, "R").rule, reward_of(result, "R").missed) == ("CYCLE_FINISHED", None)


async def test_a_repeated_reward_names_the_kept_one(database_url: str, tmp_path: Path) -> None:
    facts = [
        definition(),
        enrollment_line(CUSTOMER),
        reward_line(CUSTOMER, "R4", "c3", allocation="IMMEDIATE", at="2026-03-06T00:00:00Z"),
        reward_line(CUSTOMER, "first R4", "c3", allocation="IMMEDIATE", at="2026-03-05T00:00:00Z"),
        reward_line(CUSTOMER, "other cycle", "c2", allocation="IMMEDIATE", at="2026-02-06T00:00:00Z"),
        reward_line(CUSTOMER, "other allocation", "c3", at="2026-03-05T00:00:00Z"),
    ]
    result = await decided_story(
        database_url,
        tmp_path,
        facts,
        leave_event("2026-03-15T00:00:00Z"),
        enrollment_event("2026-03-20T00:00:00Z", "again", periodName="c3"),
        reward_line(CUSTOMER, "R6", "c3", allocation="IMMEDIATE", at="2026-03-25T00:00:00Z"),
    )
    again = reward_of(result, "R6")
    assert (again.rule, again.stay, again.leave and again.leave.id) == ("ALREADY_ACHIEVED", 2, "out")
    assert again.missed == (
        "The customer keeps reward first R4 of cycle c3 for the same achievement: "
        "it was achieved 05 Mar 2026 00:00Z in stay 1 of the same run. "
        "If the customer had started over when enrolling again, this reward would have been kept too."
    )


async def test_each_reward_names_the_leave_that_governs_it(database_url: str, tmp_path: Path) -> None:
    facts = [definition(), enrollment_line(CUSTOMER), reward_line(CUSTOMER, "in c1", "c1", at="2026-01-10T00:00:00Z")]
    result = await decided_story(
        database_url,
        tmp_path,
        facts,
        leave_event("2026-01-15T00:00:00Z", "first"),
        enrollment_event("2026-03-01T00:00:00Z", "again"),
        reward_line(CUSTOMER, "in c3", "c3", at="2026-03-10T00:00:00Z"),
        leave_event("2026-03-15T00:00:00Z", "second"),
    )
    governed = {
        reward_line.reward_id: reward_line.leave and (reward_line.leave.id, reward_line.leave.source)
        for reward_line in result.rewards
    }
    assert governed == {"in c1": ("first", "/crm"), "in c3": ("second", "/crm")}


async def test_of_very_many_lost_rewards_only_the_first_have_remedies(database_url: str, tmp_path: Path) -> None:
    rewards = [
        reward_line(
            CUSTOMER,
            f"R{number}",
            "c1",
            allocation="IMMEDIATE",
            at=f"2026-01-20T00:{number // 60:02}:{number % 60:02}Z",
        )
        for number in range(500)
    ]
    result = await decided_story(
        database_url, tmp_path, [definition(), enrollment_line(CUSTOMER), *rewards], leave_event("2026-01-15T00:00:00Z")
    )
    missed = [reward_of.missed or "" for reward_of in result.rewards]
    assert all(text.startswith("It was achieved 5 days") for text in missed)
    assert ["would have kept it" in text for text in missed] == [True] * 400 + [False] * 100
