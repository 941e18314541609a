"""Why an account is as it is: told of the worked examples of rules.md section 6, as they stand in Postgres."""

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from support.clock import without_clock
from support.decisions import decide
from support.events import definition, enrolled, reward
from support.files import XYZ, appended, command, event, leave, tables, written
from unenroll.errors import UnenrollError
from unenroll.explain.story import ExplainQuery, answer
from unenroll.explain.text import render_story

CUSTOMER = 423789336
A3 = (
    definition(),
    enrolled(CUSTOMER),
    reward(CUSTOMER, "R1", "c1", at="2026-01-10T00:00:00Z"),
    reward(CUSTOMER, "R2", "c2", allocation="IMMEDIATE", at="2026-02-10T00:00:00Z"),
    reward(CUSTOMER, "R3", "c3", at="2026-03-05T00:00:00Z"),
    reward(CUSTOMER, "R4", "c3", allocation="IMMEDIATE", at="2026-03-06T00:00:00Z"),
)


def streak(name: str, event_id: str, **more: Any) -> str:  # noqa: ANN401
    return event(name, event_id, targetGroupId=12, targetId=22, **more)


def level(number: int, day: int, *, reward_id: str | None = None) -> str:
    told = reward_id or f"L{number}"
    at = f"2026-01-{day:02}T10:00:00Z"
    return streak(
        "RewardEarned",
        f"e-{told}",
        rewardId=told,
        periodName=f"d{day}",
        allocation="IMMEDIATE",
        achievedAt=at,
        level=number,
    )


@pytest.fixture
async def a3(database_url: str, tmp_path: Path) -> str:
    """The database of A3 as it is after the leave."""
    loaded = await written(tmp_path, A3).load(database_url)
    assert loaded.facts == 5
    await decide(database_url, leave(CUSTOMER, reason="customer asked", requestedBy="app"))
    return database_url


@pytest.fixture
async def s3(database_url: str, tmp_path: Path) -> str:
    """The database of S3 as it is after the return."""
    facts = (
        definition(XYZ),
        streak("CustomerEnrolled", "in", enrolledAt="2026-01-01T00:00:00Z"),
        level(4, 4),
        level(8, 8),
    )
    assert (await written(tmp_path, facts).load(database_url)).bad == 0
    await decide(
        database_url,
        streak("UnenrollRequested", "out", time="2026-01-13T12:00:00Z"),
        streak("CustomerEnrolled", "again", enrolledAt="2026-01-15T00:00:00Z"),
        level(4, 18, reward_id="new L4"),
        level(12, 20),
    )
    return database_url


async def explained(database_url: str, customer: int = CUSTOMER, reward_id: str | None = None) -> list[str]:
    """The lines of the answer as they are in a pipe, their columns parted by bars."""
    found = await answer(ExplainQuery(customer_id=customer, reward_id=reward_id), database_url)
    text = without_clock(render_story(found.accounts, StringIO()))
    return [re.sub(r" {2,}", " | ", line.strip()) for line in text.splitlines()]


async def test_a3_is_told(a3: str) -> None:
    assert await explained(a3) == [
        "Customer 423789336 in target 21 Milestone ABC (MILESTONE), of target group 11 Spring campaign",
        "",
        "Cycles",
        "c1\u2013c2: | took part",
        "c3\u2013c5: | fell with the leave of 15 Mar 2026 00:00Z",
        "",
        "Stays",
        "stay 1 | run 1 | from 01 Jan 2026 00:00Z until leave leave-423789336 of /crm (15 Mar 2026 00:00Z)",
        "the first stay, from cycle c1 on",
        "",
        "Facts in order of time",
        "01 Jan 2026 00:00Z | enrollment | OPENED: The customer takes part from then on. First cycle: c1.",
        "event in-423789336 of /crm, first seen <now>",
        "10 Jan 2026 00:00Z | reward | The customer achieved reward R1 in cycle c1.",
        "first seen <now>",
        "10 Feb 2026 00:00Z | reward | The customer achieved reward R2 in cycle c2.",
        "first seen <now>",
        "05 Mar 2026 00:00Z | reward | The customer achieved reward R3 in cycle c3.",
        "first seen <now>",
        "06 Mar 2026 00:00Z | reward | The customer achieved reward R4 in cycle c3.",
        "first seen <now>",
        "15 Mar 2026 00:00Z | leave | UNENROLLED: The customer left. Cycle c3 and all later ones fell.",
        '"customer asked", by app, event leave-423789336 of /crm, first seen <now>',
        "",
        "Rewards",
        "R1 | KEPT | c1, PERIOD_END, achieved 10 Jan 2026 00:00Z, not known to be issued, 250.50 points",
        "CYCLE_FINISHED: Its cycle was over when the customer left: it stands, even if not paid yet.",
        "stay 1, revision 0, governed by leave leave-423789336 of /crm (15 Mar 2026 00:00Z)",
        "R2 | KEPT | c2, IMMEDIATE, achieved 10 Feb 2026 00:00Z, not known to be issued, 250.50 points",
        "CYCLE_FINISHED: Its cycle was over when the customer left: it stands, even if not paid yet.",
        "stay 1, revision 0, governed by leave leave-423789336 of /crm (15 Mar 2026 00:00Z)",
        "R3 | CANCELLED VOID | c3, PERIOD_END, achieved 05 Mar 2026 00:00Z, not known to be issued, 250.50 points",
        "PERIOD_END_LOST: It was due at the end of its cycle, and the customer left before that: it is cancelled.",
        "Cycle c3 ended 17 days after the leave. A leave from then on would have kept it.",
        "stay 1, revision 1, governed by leave leave-423789336 of /crm (15 Mar 2026 00:00Z)",
        "R4 | KEPT | c3, IMMEDIATE, achieved 06 Mar 2026 00:00Z, not known to be issued, 250.50 points",
        "ACHIEVED_BEFORE_UNENROLLMENT: It was achieved and due before the customer left: it stands.",
        "stay 1, revision 0, governed by leave leave-423789336 of /crm (15 Mar 2026 00:00Z)",
        "",
        "Published, by when it was decided",
        "<now> | UserUnenrolled | c3\u2013c5 fell, revision 1, for leave leave-423789336 of /crm (15 Mar 2026 00:00Z)",
        (
            "<now> | RewardCancelled | R3, VOID, PERIOD_END_LOST, revision 1, "
            "for leave leave-423789336 of /crm (15 Mar 2026 00:00Z)"
        ),
    ]


async def test_s3_is_told(s3: str) -> None:
    lines = await explained(s3)
    assert lines[2:5] == [
        "Cycles",
        "d1\u2013d12: | took part",
        "d13\u2013d14: | fell with the leave of 13 Jan 2026 12:00Z",
    ]
    assert lines[5] == "d15\u2013d30: | takes part"
    back = (
        "15 Jan 2026 00:00Z | enrollment | OPENED: The customer takes part from then on. First cycle: d15, carrying on."
    )
    assert back in lines
    rewards = lines[lines.index("Rewards") + 1 : lines.index("Published, by when it was decided") - 1]
    assert [line for line in rewards if not line.startswith("stay")] == [
        "L4 | KEPT | d4, level 4, IMMEDIATE, achieved 04 Jan 2026 10:00Z, not known to be issued",
        "CYCLE_FINISHED: Its cycle was over when the customer left: it stands, even if not paid yet.",
        "L8 | KEPT | d8, level 8, IMMEDIATE, achieved 08 Jan 2026 10:00Z, not known to be issued",
        "CYCLE_FINISHED: Its cycle was over when the customer left: it stands, even if not paid yet.",
        "new L4 | CANCELLED REVERSE | d18, level 4, IMMEDIATE, achieved 18 Jan 2026 10:00Z, not known to be issued",
        "ALREADY_ACHIEVED: The customer carried on from an earlier stay that had earned the same: it is cancelled.",
        (
            "Reward L4 of cycle d4, achieved 04 Jan 2026 10:00Z, was kept first, in stay 1 of the same run. "
            "Starting over when coming back would have kept this one too."
        ),
        "L12 | KEPT | d20, level 12, IMMEDIATE, achieved 20 Jan 2026 10:00Z, not known to be issued",
        "ENROLLED: The customer is enrolled: it stands.",
    ]


async def test_one_reward_can_be_asked_for(a3: str) -> None:
    text = "\n".join(await explained(a3, reward_id="R3"))
    assert "PERIOD_END_LOST" in text
    assert "R1" not in text


def test_the_command_tells_the_same_in_a_pipe_and_as_json(a3: str) -> None:
    asked = ("explain", "--customer", str(CUSTOMER), "--target", "21")
    said = command(*asked, environment={"UNENROLL_DATABASE_URL": a3})
    assert (said.code, said.err) == (0, "")
    assert "\n  c3\u2013c5:  fell with the leave of 15 Mar 2026 00:00Z\n" in said.out
    assert "\x1b" not in said.out
    said = command(*asked, "--json", environment={"UNENROLL_DATABASE_URL": a3})
    (account,) = json.loads(said.out)["accounts"]
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


async def test_all_targets_of_a_customer_are_told(a3: str, tmp_path: Path) -> None:
    joined = streak("CustomerEnrolled", "in", enrolledAt="2026-01-01T00:00:00Z")
    await written(tmp_path, [definition(XYZ), joined]).load(a3)
    headings = [line for line in await explained(a3) if line.startswith("Customer ")]
    assert [heading.split(" (")[0] for heading in headings] == [
        "Customer 423789336 in target 21 Milestone ABC",
        "Customer 423789336 in target 22 Streak XYZ",
    ]


@pytest.mark.parametrize(
    ("question", "what"),
    [
        (ExplainQuery(customer_id=7), "customer 7"),
        (ExplainQuery(customer_id=CUSTOMER, target_id=22), f"customer {CUSTOMER} in target 22"),
        (ExplainQuery(customer_id=CUSTOMER, reward_id="\x1b[31mR9"), f"reward \ufffd[31mR9 of customer {CUSTOMER}"),
    ],
)
async def test_what_nobody_knows_is_said_in_words_that_a_terminal_does_not_obey(
    a3: str, question: ExplainQuery, what: str
) -> None:
    with pytest.raises(UnenrollError) as error:
        await answer(question, a3)
    assert str(error.value) == f"nothing is known of {what}"


def test_an_unknown_customer_is_said_in_one_line(database_url: str) -> None:
    said = command("explain", "--customer", "7", environment={"UNENROLL_DATABASE_URL": database_url})
    assert (said.code, said.out, said.err) == (1, "", "unenroll: nothing is known of customer 7\n")


async def test_it_neither_changes_anything_nor_waits_for_a_lock(a3: str) -> None:
    before = await tables(a3)
    worker = await asyncpg.connect(a3)
    try:
        async with worker.transaction():
            await worker.execute("select * from accounts, target_groups for update")
            assert await explained(a3)
    finally:
        await worker.close()
    assert await tables(a3) == before


async def test_an_account_that_is_to_be_settled_again_says_so(a3: str) -> None:
    joined = event(
        "CustomerEnrolled", "in", customerId=8, targetGroupId=11, targetId=21, enrolledAt="2026-01-01T00:00:00Z"
    )
    await decide(a3, joined, leave(8, at="2026-06-02T00:00:00Z"))
    before = "\n".join(await explained(a3, 8))
    connection = await asyncpg.connect(a3)
    await connection.execute("update target_groups set version = 2, definition = $1", json.dumps(appended(2)))
    await connection.close()
    after = "\n".join(await explained(a3, 8))
    assert "settled again" not in before
    assert "settled again" in after
    assert "NOTHING_LEFT 310019" in after
