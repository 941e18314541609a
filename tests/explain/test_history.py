"""A story has the stays with their runs, the times of the facts, and the published events."""

from io import StringIO
from pathlib import Path

import asyncpg

from support.batch_decisions import decide
from support.events import ABC, definition, enrollment_line, reward_line
from support.files import XYZ, event_line, leave_line, write_file
from support.stories import CUSTOMER, decided_story, enrollment_event, leave_event, story, streak_event
from unenroll.explain.story import ExplainQuery, explain
from unenroll.explain.text import render_story


async def test_a_stay_of_a_streak_carries_on_or_starts_over(database_url: str, tmp_path: Path) -> None:
    facts = [definition(XYZ), streak_event("CustomerEnrolled", "in", enrolledAt="2026-01-01T00:00:00Z")]
    result = await decided_story(
        database_url,
        tmp_path,
        facts,
        streak_event("UnenrollRequested", "out 1", time="2026-01-05T12:00:00Z"),
        streak_event("CustomerEnrolled", "in 2", enrolledAt="2026-01-10T00:00:00Z", initialBalance=3),
        streak_event("UnenrollRequested", "out 2", time="2026-01-12T12:00:00Z"),
        streak_event("CustomerEnrolled", "in 3", enrolledAt="2026-01-20T00:00:00Z", resetStreakStatus=True),
    )
    assert [
        (stay.run, stay.beginning, stay.initial_balance, stay.leave and stay.leave.id) for stay in result.stays
    ] == [
        (1, "FIRST", None, "out 1"),
        (1, "CARRIED_ON", "3", "out 2"),
        (2, "STARTED_OVER", None, None),
    ]


async def test_the_balance_of_an_ignored_enrollment_is_shown(database_url: str, tmp_path: Path) -> None:
    facts = [definition(), enrollment_line(CUSTOMER, initialBalance=0)]
    result = await decided_story(
        database_url,
        tmp_path,
        facts,
        enrollment_event("2026-02-01T00:00:00Z", "ignored", initialBalance=12.50),
        leave_event("2026-03-15T00:00:00Z"),
        enrollment_event("2026-04-01T00:00:00Z", "again", initialBalance=7),
    )
    balances = [(fact.outcome, fact.initial_balance) for fact in result.facts if fact.kind == "ENROLLMENT"]
    assert balances == [("OPENED", "0"), ("ALREADY_ENROLLED", "12.5"), ("OPENED", "7")]
    assert [(stay.run, stay.beginning, stay.initial_balance) for stay in result.stays] == [
        (1, "FIRST", "0"),
        (2, "STARTED_OVER", "7"),
    ]


async def test_with_automatic_enrollment_the_first_stay_has_no_enrollment(database_url: str, tmp_path: Path) -> None:
    automatic = {**ABC, "targets": [{**ABC["targets"][0], "enrollment": "AUTOMATIC"}]}  # type: ignore[index] # a list
    result = await decided_story(database_url, tmp_path, [definition(automatic)], leave_event("2026-03-15T00:00:00Z"))
    (stay,) = result.stays
    assert (stay.opened_at, stay.beginning, stay.first_cycle) == (None, "FIRST", "c1")
    text = render_story([result], StringIO())
    assert "from the start until leave out of /crm (15 Mar 2026 00:00Z)" in text


async def test_each_fact_has_its_event_time_and_when_it_was_first_seen(database_url: str, tmp_path: Path) -> None:
    facts = [definition(), enrollment_line(CUSTOMER), reward_line(CUSTOMER, "R", "c1", at="2026-01-10T00:00:00Z")]
    issued = event_line("RewardIssued", "paid", rewardId="R", targetId=21, issuedAt="2026-02-02T00:00:00Z")
    request = leave_event("2026-03-15T00:00:00Z")
    result = await decided_story(database_url, tmp_path, facts, issued, request, request)
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("select event_type, decided_at from ledger")
    decided = {row["event_type"]: row["decided_at"] for row in rows}
    await connection.close()
    assert [(fact.kind, fact.at.day, fact.seen_at) for fact in result.facts] == [
        ("ENROLLMENT", 1, decided["CustomerEnrolled"]),
        ("REWARD", 10, decided["RewardEarned"]),
        ("ISSUANCE", 2, decided["RewardIssued"]),
        ("LEAVE", 15, decided["UnenrollRequested"]),
    ]


async def test_a_published_event_has_its_revision_and_the_leave_that_it_supersedes(
    database_url: str, tmp_path: Path
) -> None:
    facts = [
        definition(),
        enrollment_line(CUSTOMER),
        reward_line(CUSTOMER, "R2", "c2", allocation="IMMEDIATE", at="2026-02-10T00:00:00Z"),
        reward_line(CUSTOMER, "R3", "c3", at="2026-03-05T00:00:00Z"),
    ]
    result = await decided_story(
        database_url,
        tmp_path,
        facts,
        leave_event("2026-06-02T00:00:00Z", "too late"),
        leave_event("2026-03-15T00:00:00Z", "march"),
        leave_event("2026-02-05T00:00:00Z", "february"),
    )
    assert [
        (
            event_line.event,
            event_line.leave.id,
            event_line.reward_id or event_line.outcome,
            event_line.action,
            event_line.revision,
        )
        for event_line in result.published
    ] == [
        ("UnenrollRejected", "too late", "NOTHING_LEFT", None, None),
        ("UserUnenrolled", "march", None, None, 1),
        ("RewardCancelled", "march", "R3", "VOID", 1),
        ("UserUnenrolled", "february", None, None, 2),
        ("RewardCancelled", "february", "R2", "REVERSE", 1),
    ]
    assert [
        event_line.supersedes and event_line.supersedes.id
        for event_line in result.published
        if event_line.event == "UserUnenrolled"
    ] == [
        None,
        "march",
    ]
    assert [event_line.decided_at for event_line in result.published] == sorted(
        event_line.decided_at for event_line in result.published
    )
    only_r3 = await story(database_url, reward_id="R3")
    assert [event_line.reward_id for event_line in only_r3.published] == [None, None, "R3", None]


async def test_events_about_other_customers_and_targets_are_left_out(database_url: str, tmp_path: Path) -> None:
    both = {**ABC, "targets": [*ABC["targets"], {"targetId": 23, "name": "Milestone DEF", "kind": "MILESTONE"}]}  # type: ignore[misc] # a list
    elsewhere = event_line("CustomerEnrolled", "else", targetGroupId=11, targetId=23, enrolledAt="2026-01-01T00:00:00Z")
    facts = [definition(both), enrollment_line(CUSTOMER), elsewhere, enrollment_line(7)]
    assert (await write_file(tmp_path, facts).load(database_url)).bad == 0
    of_other_target = event_line("UnenrollRequested", "23", time="2026-03-15T00:00:00Z", targetGroupId=11, targetId=23)
    await decide(database_url, leave_line(7), leave_line(CUSTOMER), of_other_target)
    stories = (await explain(ExplainQuery(customer_id=CUSTOMER), database_url)).accounts
    assert [[event_line.leave.id for event_line in result.published] for result in stories] == [
        [f"leave-{CUSTOMER}"],
        ["23"],
    ]
