"""What would have kept a lost reward, and which leave governs it."""

from pathlib import Path

import pytest

from support.events import definition, enrolled, reward
from support.stories import CUSTOMER, joined, left, one, stage


@pytest.mark.parametrize(
    ("cycle", "allocation", "achieved", "left_at", "missed"),
    [
        (
            *("c1", "PERIOD_END", "2026-01-10T00:00:00Z", "2026-01-31T16:48:00Z"),
            "Cycle c1 ended 7 h 12 min after the leave. A leave from then on would have kept it.",
        ),
        (
            *("c2", "PERIOD_END", "2026-02-10T00:00:00Z", "2026-02-28T23:59:59.999Z"),
            "Cycle c2 ended less than a second after the leave. A leave from then on would have kept it.",
        ),
        (
            *("c1", "IMMEDIATE", "2026-01-17T00:00:00Z", "2026-01-15T00:00:00Z"),
            "It was achieved 2 days after the leave. A leave after that would have kept it.",
        ),
        (
            *("c1", "IMMEDIATE", "2026-01-15T00:00:00Z", "2026-01-15T00:00:00Z"),
            "It was achieved at the very moment of the leave. A leave after that would have kept it.",
        ),
        (
            *("c1", "PERIOD_END", "2026-01-16T01:00:00Z", "2026-01-15T00:00:00Z"),
            "It was achieved 1 day 1 h after the leave. A leave from the end of cycle c1 on would have kept it.",
        ),
        (
            *("c2", "IMMEDIATE", "2026-01-10T00:00:00Z", "2026-01-15T00:00:00Z"),
            "It counts from the start of cycle c2, 17 days after the leave. A leave after that would have kept it.",
        ),
        (
            *("c2", "IMMEDIATE", "2026-01-10T00:00:00Z", "2026-02-01T00:00:00Z"),
            "It counts from the start of cycle c2, the moment of the leave. A leave after that would have kept it.",
        ),
    ],
)
async def test_what_would_have_kept_a_lost_reward_is_said(
    database_url: str, tmp_path: Path, cycle: str, allocation: str, achieved: str, left_at: str, missed: str
) -> None:
    facts = [definition(), enrolled(CUSTOMER), reward(CUSTOMER, "R", cycle, allocation=allocation, at=achieved)]
    told = await stage(database_url, tmp_path, facts, left(left_at))
    assert one(told, "R").missed == missed


async def test_what_would_not_have_helped_is_not_named(database_url: str, tmp_path: Path) -> None:
    facts = [definition(), enrolled(CUSTOMER), reward(CUSTOMER, "R", "c1", at="2026-01-10T00:00:00Z")]
    leaves = left("2026-01-15T00:00:00Z", "first"), left("2026-01-20T00:00:00Z", "second")
    told = await stage(database_url, tmp_path, facts, *leaves)
    assert one(told, "R").missed == "Cycle c1 ended 17 days after the leave."


async def test_a_kept_reward_misses_nothing(database_url: str, tmp_path: Path) -> None:
    facts = [definition(), enrolled(CUSTOMER), reward(CUSTOMER, "R", "c1", at="2026-01-10T00:00:00Z")]
    told = await stage(database_url, tmp_path, facts, left("2026-03-15T00:00:00Z"))
    assert (one(told, "R").rule, one(told, "R").missed) == ("CYCLE_FINISHED", None)


async def test_a_repetition_names_what_was_kept_first(database_url: str, tmp_path: Path) -> None:
    facts = [
        definition(),
        enrolled(CUSTOMER),
        reward(CUSTOMER, "R4", "c3", allocation="IMMEDIATE", at="2026-03-06T00:00:00Z"),
        reward(CUSTOMER, "first R4", "c3", allocation="IMMEDIATE", at="2026-03-05T00:00:00Z"),
        reward(CUSTOMER, "other cycle", "c2", allocation="IMMEDIATE", at="2026-02-06T00:00:00Z"),
        reward(CUSTOMER, "other allocation", "c3", at="2026-03-05T00:00:00Z"),
    ]
    told = await stage(
        database_url,
        tmp_path,
        facts,
        left("2026-03-15T00:00:00Z"),
        joined("2026-03-20T00:00:00Z", "again", periodName="c3"),
        reward(CUSTOMER, "R6", "c3", allocation="IMMEDIATE", at="2026-03-25T00:00:00Z"),
    )
    again = one(told, "R6")
    assert (again.rule, again.stay, again.leave and again.leave.id) == ("ALREADY_ACHIEVED", 2, "out")
    assert again.missed == (
        "Reward first R4 of cycle c3, achieved 05 Mar 2026 00:00Z, was kept first, in stay 1 of the same run. "
        "Starting over when coming back would have kept this one too."
    )


async def test_each_reward_names_the_leave_that_governs_it(database_url: str, tmp_path: Path) -> None:
    facts = [definition(), enrolled(CUSTOMER), reward(CUSTOMER, "in c1", "c1", at="2026-01-10T00:00:00Z")]
    told = await stage(
        database_url,
        tmp_path,
        facts,
        left("2026-01-15T00:00:00Z", "first"),
        joined("2026-03-01T00:00:00Z", "again"),
        reward(CUSTOMER, "in c3", "c3", at="2026-03-10T00:00:00Z"),
        left("2026-03-15T00:00:00Z", "second"),
    )
    governed = {found.reward_id: found.leave and (found.leave.id, found.leave.source) for found in told.rewards}
    assert governed == {"in c1": ("first", "/crm"), "in c3": ("second", "/crm")}


async def test_of_very_many_lost_rewards_the_first_are_tried_and_all_are_told(
    database_url: str, tmp_path: Path
) -> None:
    rewards = [
        reward(
            CUSTOMER,
            f"R{number}",
            "c1",
            allocation="IMMEDIATE",
            at=f"2026-01-20T00:{number // 60:02}:{number % 60:02}Z",
        )
        for number in range(500)
    ]
    told = await stage(
        database_url, tmp_path, [definition(), enrolled(CUSTOMER), *rewards], left("2026-01-15T00:00:00Z")
    )
    missed = [one.missed or "" for one in told.rewards]
    assert all(words.startswith("It was achieved 5 days") for words in missed)
    assert ["would have kept it" in words for words in missed] == [True] * 400 + [False] * 100
