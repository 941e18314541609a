"""`unenroll explain` explains the worked examples of rules.md section 6 from the tables."""

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from support.batch_decisions import decide
from support.events import definition, enrollment_line, reward_line
from support.files import XYZ, appended_definition, command, event_line, leave_line, tables, write_file
from support.terminal import without_clock
from unenroll.errors import UnenrollError
from unenroll.explain.story import ExplainQuery, explain
from unenroll.explain.text import render_story

CUSTOMER = 423789336
A3 = (
    definition(),
    enrollment_line(CUSTOMER),
    reward_line(CUSTOMER, "R1", "c1", at="2026-01-10T00:00:00Z"),
    reward_line(CUSTOMER, "R2", "c2", allocation="IMMEDIATE", at="2026-02-10T00:00:00Z"),
    reward_line(CUSTOMER, "R3", "c3", at="2026-03-05T00:00:00Z"),
    reward_line(CUSTOMER, "R4", "c3", allocation="IMMEDIATE", at="2026-03-06T00:00:00Z"),
)


def streak(name: str, event_id: str, **more: Any) -> str:  # noqa: ANN401
    return event_line(name, event_id, targetGroupId=12, targetId=22, **more)


def level(number: int, day: int, *, reward_id: str | None = None) -> str:
    name = reward_id or f"L{number}"
    at = f"2026-01-{day:02}T10:00:00Z"
    return streak(
        "RewardEarned",
        f"e-{name}",
        rewardId=name,
        periodName=f"d{day}",
        allocation="IMMEDIATE",
        achievedAt=at,
        level=number,
    )


@pytest.fixture
async def a3(database_url: str, tmp_path: Path) -> str:
    """The database of example A3 after the leave."""
    loaded = await write_file(tmp_path, A3).load(database_url)
    assert loaded.facts == 5
    await decide(database_url, leave_line(CUSTOMER, reason="customer asked", requestedBy="app"))
    return database_url


@pytest.fixture
async def s3(database_url: str, tmp_path: Path) -> str:
    """The database of example S3 after the second enrollment."""
    facts = (
        definition(XYZ),
        streak("CustomerEnrolled", "in", enrolledAt="2026-01-01T00:00:00Z"),
        level(4, 4),
        level(8, 8),
    )
    assert (await write_file(tmp_path, facts).load(database_url)).bad == 0
    await decide(
        database_url,
        streak("UnenrollRequested", "out", time="2026-01-13T12:00:00Z"),
        streak("CustomerEnrolled", "again", enrolledAt="2026-01-15T00:00:00Z"),
        level(4, 18, reward_id="new L4"),
        level(12, 20),
    )
    return database_url


async def explained(database_url: str, customer: int = CUSTOMER, reward_id: str | None = None) -> list[str]:
    """The lines of the output in a pipe, with bars between the columns."""
    found = await explain(ExplainQuery(customer_id=customer, reward_id=reward_id), database_url)
    text = without_clock(render_story(found.accounts, StringIO()))
    return [re.sub(r" {2,}", " | ", line.strip()) for line in text.splitlines()]


async def test_a3_is_explained(a3: str) -> None:
    assert await explained(a3) == [
        "Customer 423789336 in target 21 Milestone ABC (MILESTONE), of target group 11 Spring campaign",
        "",
        "Cycles",
        "c1\u2013c2: | took part",
        "c3\u2013c5: | dropped by the leave of 15 Mar 2026 00:00Z",
        "",
        "Stays",
        "stay 1 | run 1 | from 01 Jan 2026 00:00Z until leave leave-423789336 of /crm (15 Mar 2026 00:00Z)",
        "first stay, from cycle c1",
        "",
        "Facts by time",
        "01 Jan 2026 00:00Z | enrollment | OPENED: The customer takes part from that time on. The first cycle is c1.",
        "event in-423789336 of /crm, received <now>",
        "10 Jan 2026 00:00Z | reward | The customer achieved reward R1 in cycle c1.",
        "received <now>",
        "10 Feb 2026 00:00Z | reward | The customer achieved reward R2 in cycle c2.",
        "received <now>",
        "05 Mar 2026 00:00Z | reward | The customer achieved reward R3 in cycle c3.",
        "received <now>",
        "06 Mar 2026 00:00Z | reward | The customer achieved reward R4 in cycle c3.",
        "received <now>",
        "15 Mar 2026 00:00Z | leave | UNENROLLED: The customer left. The leave dropped cycle c3 and all later cycles.",
        'reason "customer asked", requested by app, event leave-423789336 of /crm, received <now>',
        "",
        "Rewards",
        "R1 | KEPT | c1, PERIOD_END, achieved 10 Jan 2026 00:00Z, not reported as issued, 250.50 points",
        "CYCLE_FINISHED: The cycle had ended when the customer left: the reward is kept, even if it is not paid yet.",
        "stay 1, revision 0, governed by leave leave-423789336 of /crm (15 Mar 2026 00:00Z)",
        "R2 | KEPT | c2, IMMEDIATE, achieved 10 Feb 2026 00:00Z, not reported as issued, 250.50 points",
        "CYCLE_FINISHED: The cycle had ended when the customer left: the reward is kept, even if it is not paid yet.",
        "stay 1, revision 0, governed by leave leave-423789336 of /crm (15 Mar 2026 00:00Z)",
        "R3 | CANCELLED VOID | c3, PERIOD_END, achieved 05 Mar 2026 00:00Z, not reported as issued, 250.50 points",
        "PERIOD_END_LOST: It was due at the end of the cycle, but the customer left earlier: the reward is cancelled.",
        "Cycle c3 ended 17 days after the leave. A leave at that time or later would have kept it.",
        "stay 1, revision 1, governed by leave leave-423789336 of /crm (15 Mar 2026 00:00Z)",
        "R4 | KEPT | c3, IMMEDIATE, achieved 06 Mar 2026 00:00Z, not reported as issued, 250.50 points",
        "ACHIEVED_BEFORE_UNENROLLMENT: It was achieved and due before the customer left: the reward is kept.",
        "stay 1, revision 0, governed by leave leave-423789336 of /crm (15 Mar 2026 00:00Z)",
        "",
        "Published events by time of decision",
        (
            "<now> | UserUnenrolled | dropped c3\u2013c5, revision 1, "
            "for leave leave-423789336 of /crm (15 Mar 2026 00:00Z)"
        ),
        (
            "<now> | RewardCancelled | R3, VOID, PERIOD_END_LOST, revision 1, "
            "for leave leave-423789336 of /crm (15 Mar 2026 00:00Z)"
        ),
    ]


async def test_s3_is_explained(s3: str) -> None:
    lines = await explained(s3)
    assert lines[2:5] == [
        "Cycles",
        "d1\u2013d12: | took part",
        "d13\u2013d14: | dropped by the leave of 13 Jan 2026 12:00Z",
    ]
    assert lines[5] == "d15\u2013d30: | takes part"
    back = (
        "15 Jan 2026 00:00Z | enrollment | OPENED: The customer takes part from that time on. The first cycle is d15. "
        "The customer carries on from the stay before."
    )
    assert back in lines
    rewards = lines[lines.index("Rewards") + 1 : lines.index("Published events by time of decision") - 1]
    assert [line for line in rewards if not line.startswith("stay")] == [
        "L4 | KEPT | d4, level 4, IMMEDIATE, achieved 04 Jan 2026 10:00Z, not reported as issued",
        "CYCLE_FINISHED: The cycle had ended when the customer left: the reward is kept, even if it is not paid yet.",
        "L8 | KEPT | d8, level 8, IMMEDIATE, achieved 08 Jan 2026 10:00Z, not reported as issued",
        "CYCLE_FINISHED: The cycle had ended when the customer left: the reward is kept, even if it is not paid yet.",
        "new L4 | CANCELLED REVERSE | d18, level 4, IMMEDIATE, achieved 18 Jan 2026 10:00Z, not reported as issued",
        "ALREADY_ACHIEVED: The customer carried on and had already earned the same before: the reward is cancelled.",
        (
            "The customer keeps reward L4 of cycle d4 for the same achievement: "
            "it was achieved 04 Jan 2026 10:00Z in stay 1 of the same run. "
            "If the customer had started over when enrolling again, this reward would have been kept too."
        ),
        "L12 | KEPT | d20, level 12, IMMEDIATE, achieved 20 Jan 2026 10:00Z, not reported as issued",
        "ENROLLED: The customer is enrolled: the reward is kept.",
    ]


async def test_the_output_can_be_limited_to_one_reward(a3: str) -> None:
    text = "\n".join(await explained(a3, reward_id="R3"))
    assert "PERIOD_END_LOST" in text
    assert "R1" not in text


def test_the_command_prints_the_same_as_text_and_as_json(a3: str) -> None:
    arguments = ("explain", "--customer", str(CUSTOMER), "--target", "21")
    result = command(*arguments, environment={"UNENROLL_DATABASE_URL": a3})
    assert (result.code, result.err) == (0, "")
    assert "\n  c3\u2013c5:  dropped by the leave of 15 Mar 2026 00:00Z\n" in result.out
    assert "\x1b" not in result.out
    result = command(*arguments, "--json", environment={"UNENROLL_DATABASE_URL": a3})
    (account,) = json.loads(result.out)["accounts"]
    assert [(one["first"], one["last"], one["fate"], one["left_at"]) for one in account["cycles"]] == [
        ("c1", "c2", "TOOK_PART", None),
        ("c3", "c5", "FELL", "2026-03-15T00:00:00Z"),
    ]
    assert {
        one["reward_id"]: (one["state"], one["action"], one["rule"], one["revision"]) for one in account["rewards"]
    } == {
        "R1": ("KEPT", None, "CYCLE_FINISHED", 0),
        "R2": ("KEPT", None, "CYCLE_FINISHED", 0),
        "R3": ("CANCELLED", "VOID", "PERIOD_END_LOST", 1),
        "R4": ("KEPT", None, "ACHIEVED_BEFORE_UNENROLLMENT", 0),
    }
    assert account["rewards"][0]["amount"] == "250.50"
    assert account["due"] is False


async def test_all_targets_of_a_customer_are_explained(a3: str, tmp_path: Path) -> None:
    joined = streak("CustomerEnrolled", "in", enrolledAt="2026-01-01T00:00:00Z")
    await write_file(tmp_path, [definition(XYZ), joined]).load(a3)
    headings = [line for line in await explained(a3) if line.startswith("Customer ")]
    assert [heading.split(" (")[0] for heading in headings] == [
        "Customer 423789336 in target 21 Milestone ABC",
        "Customer 423789336 in target 22 Streak XYZ",
    ]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (ExplainQuery(customer_id=7), "no account found for customer 7"),
        (ExplainQuery(customer_id=CUSTOMER, target_id=22), f"no account found for customer {CUSTOMER} in target 22"),
        (
            ExplainQuery(customer_id=CUSTOMER, reward_id="\x1b[31mR9"),
            f"no reward \ufffd[31mR9 found for customer {CUSTOMER}",
        ),
    ],
)
async def test_the_not_found_message_has_no_control_characters(a3: str, query: ExplainQuery, message: str) -> None:
    with pytest.raises(UnenrollError) as error:
        await explain(query, a3)
    assert str(error.value) == message


def test_an_unknown_customer_is_reported_in_one_line(database_url: str) -> None:
    result = command("explain", "--customer", "7", environment={"UNENROLL_DATABASE_URL": database_url})
    assert (result.code, result.out, result.err) == (1, "", "unenroll: no account found for customer 7\n")


async def test_explain_changes_nothing_and_waits_for_no_lock(a3: str) -> None:
    before = await tables(a3)
    worker = await asyncpg.connect(a3)
    try:
        async with worker.transaction():
            await worker.execute("select * from accounts, target_groups for update")
            assert await explained(a3)
    finally:
        await worker.close()
    assert await tables(a3) == before


async def test_an_account_that_is_due_for_settlement_says_so(a3: str) -> None:
    joined = event_line(
        "CustomerEnrolled", "in", customerId=8, targetGroupId=11, targetId=21, enrolledAt="2026-01-01T00:00:00Z"
    )
    await decide(a3, joined, leave_line(8, at="2026-06-02T00:00:00Z"))
    before = "\n".join(await explained(a3, 8))
    connection = await asyncpg.connect(a3)
    await connection.execute(
        "update target_groups set version = 2, definition = $1", json.dumps(appended_definition(2))
    )
    await connection.close()
    after = "\n".join(await explained(a3, 8))
    assert "settled again" not in before
    assert "settled again" in after
    assert "NOTHING_LEFT 310019" in after
