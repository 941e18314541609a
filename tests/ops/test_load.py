"""`load` writes definitions and facts into Postgres, and reports and collects bad lines."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from support.batch_decisions import decide
from support.events import ABC, definition, enrollment_line, reward_line, three_rewards
from support.files import CYCLES, appended_definition, event_line, leave_line, tables, write_file
from unenroll.ops.files import MAX_LINE_BYTES
from unenroll.ops.load.load import LoadResult

CUSTOMER = 423789336


def counted(loaded: LoadResult) -> dict[str, int]:
    return {name: count for name, count in asdict(loaded).items() if count}


def changed(line: str, **more: Any) -> str:  # noqa: ANN401
    """The line with another content, or with other fields around it."""
    received = json.loads(line)
    around = {name: value for name, value in more.items() if name in {"type", "id", "source", "time"}}
    data = {name: value for name, value in more.items() if name not in around}
    return json.dumps({**received, **around, "data": {**received["data"], **data}})


async def one(database_url: str, query: str) -> Any:  # noqa: ANN401
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_definitions_and_facts_are_loaded(database_url: str, tmp_path: Path) -> None:
    loaded = await write_file(tmp_path, [definition(), *three_rewards(CUSTOMER)]).load(database_url)
    assert counted(loaded) == {"definitions": 1, "facts": 4}
    assert await one(database_url, "select count(*) from rewards where state = 'KEPT'") == 3
    assert await one(database_url, "select decisions from accounts") == 4


async def test_a_loaded_fact_is_in_the_ledger_and_in_no_lane(database_url: str, tmp_path: Path) -> None:
    await write_file(tmp_path, [definition(), enrollment_line(CUSTOMER)]).load(database_url)
    row = await one(database_url, "select row(lane_id, sequence, topic_id, event_time, decision)::text from ledger")
    assert row == "(,,,,1)"


async def test_the_same_file_twice_changes_nothing(database_url: str, tmp_path: Path) -> None:
    file = write_file(tmp_path, [definition(), *three_rewards(CUSTOMER)])
    await file.load(database_url)
    before = await tables(database_url)
    assert counted(await file.load(database_url)) == {"duplicates": 5}
    assert await tables(database_url) == before


async def test_the_same_file_after_a_leave_changes_nothing(database_url: str, tmp_path: Path) -> None:
    file = write_file(tmp_path, [definition(), *three_rewards(CUSTOMER)])
    await file.load(database_url)
    await decide(database_url, leave_line(CUSTOMER))
    before = await tables(database_url)
    assert counted(await file.load(database_url)) == {"duplicates": 5}
    assert await tables(database_url) == before


async def test_what_was_loaded_is_a_duplicate_on_its_topic_too(database_url: str, tmp_path: Path) -> None:
    line = reward_line(CUSTOMER, "R1", "c1", at="2026-01-10T00:00:00Z")
    await write_file(tmp_path, [definition(), changed(line, time=None)]).load(database_url)
    assert await decide(database_url, line) == {"duplicate": 1}


async def test_the_order_of_lines_is_kept_around_definitions(database_url: str, tmp_path: Path) -> None:
    late = reward_line(CUSTOMER, "R6", "c6", at="2026-06-10T00:00:00Z")
    file = write_file(
        tmp_path,
        [definition(), enrollment_line(CUSTOMER), late, definition(appended_definition(2)), changed(late, id="e-2")],
    )
    assert counted(await file.load(database_url)) == {"definitions": 2, "facts": 2, "bad": 1}
    assert file.rejected() == [late.encode()]


BAD: dict[str, tuple[str | bytes, str]] = {
    "no json": (b'{"type": ', "not_json: value: is not JSON"),
    "not utf-8": (b"\xff\xfe", "not_json: value: is not UTF-8 at byte 0"),
    "nested too deep": (b"[" * 100_000, "not_json: value: is nested deeper than 100 levels"),
    "too long": (b'"' + b"x" * (3 * MAX_LINE_BYTES), f"line_too_long: is longer than {MAX_LINE_BYTES} bytes"),
    "no object": (b"[]", "schema: "),
    "no id": (b'{"type": "CustomerEnrolled", "data": {}}', "schema: id: is missing"),
    "no data": (b'{"type": "CustomerEnrolled", "id": "x"}', "schema: data: must be an object"),
    "a wrong field": (
        changed(enrollment_line(1), customerId="one"),
        "schema: data.customerId: must be a 64-bit integer",
    ),
    "a naive time": (changed(enrollment_line(1), time="2026-01-01T00:00:00"), "naive_time: time: has no UTC offset"),
    "a naive instant": (enrollment_line(1, "2026-01-01T00:00:00"), "naive_time: data.enrolledAt: has no UTC offset"),
    "an unknown type": (changed(enrollment_line(1), type="CustomerLeft"), "unknown_type: type: must be one of"),
    "a request": (leave_line(CUSTOMER), "for requests use `unenroll publish`"),
    "an unknown group": (
        changed(enrollment_line(1), targetGroupId=99),
        "group_not_found: Target group 99 is not defined.",
    ),
    "an unknown target": (changed(enrollment_line(1), targetId=99), "target_not_found: Target 99 is not defined."),
    "an unknown cycle": (enrollment_line(1, periodName="c9"), "period_not_found: Target group 11 has no cycle c9."),
    "another content": (enrollment_line(CUSTOMER, "2026-01-02T00:00:00Z"), "id_conflict: Event in-423789336 of /crm"),
    "another reward": (
        changed(reward_line(CUSTOMER, "R1-423789336", "c2", at="2026-02-10T00:00:00Z"), id="other"),
        "reward_conflict: Customer 423789336 already has reward R1-423789336 with different content.",
    ),
    "a definition that takes back": (
        definition({**ABC, "version": 2, "cycles": CYCLES[:4]}),
        "definition_refused: Version 2 of group 11 removes or renames cycle c5.",
    ),
    "a definition that contradicts": (
        definition({**ABC, "name": "Autumn campaign"}),
        "definition_refused: Group 11 already has a version 1 with different content.",
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_line_is_reported_and_collected_and_the_lines_around_it_are_loaded(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    bad, why = BAD[name]
    file = write_file(tmp_path, [definition(), *three_rewards(CUSTOMER), bad, enrollment_line(5), enrollment_line(6)])
    assert counted(await file.load(database_url)) == {"definitions": 1, "facts": 6, "bad": 1}
    (received,) = capsys.readouterr().err.splitlines()
    assert received.startswith(f"{file.path}:6: ")
    assert why in received
    assert file.rejects.read_bytes() == (bad if isinstance(bad, bytes) else bad.encode()) + b"\n"
    assert await one(database_url, "select array_agg(customer_id order by customer_id) from accounts") == [
        5,
        6,
        CUSTOMER,
    ]


async def test_all_bad_lines_are_written_in_their_order(database_url: str, tmp_path: Path) -> None:
    lines = [line for bad, _ in BAD.values() for line in (bad, enrollment_line(1, event_id=f"e{len(bad)}"))]
    file = write_file(tmp_path, [definition(), *three_rewards(CUSTOMER), *lines])
    assert (await file.load(database_url)).bad == len(BAD)
    assert file.rejected() == [bad if isinstance(bad, bytes) else bad.encode() for bad, _ in BAD.values()]


async def test_only_the_first_of_many_bad_lines_are_listed(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_file(tmp_path, [b"bad %d" % number for number in range(100)])
    assert counted(await file.load(database_url)) == {"bad": 100}
    received = capsys.readouterr().err.splitlines()
    assert len(received) == 21
    assert received[-1] == "and 80 more bad lines"
    assert len(file.rejected()) == 100


@pytest.mark.parametrize(
    "late",
    [
        reward_line(CUSTOMER, "R9", "c4", at="2026-04-10T00:00:00Z"),
        reward_line(CUSTOMER, "R10", "c1", at="2026-01-10T00:00:00Z"),
        enrollment_line(CUSTOMER, "2026-04-01T00:00:00Z", event_id="again"),
        event_line("RewardIssued", "i-1", rewardId="R3-423789336", targetId=21, issuedAt="2026-04-01T00:00:00Z"),
    ],
    ids=["a reward that is cancelled", "a reward that stands", "an enrollment", "an issuance"],
)
async def test_a_fact_of_an_account_with_a_leave_belongs_on_its_topic(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], late: str
) -> None:
    await write_file(tmp_path, [definition(), *three_rewards(CUSTOMER)]).load(database_url)
    await decide(database_url, leave_line(CUSTOMER))
    before = await tables(database_url)
    file = write_file(tmp_path, [late])
    assert counted(await file.load(database_url)) == {"bad": 1}
    assert "belongs_on_topic: customer 423789336 has left target 21: use `unenroll publish`" in capsys.readouterr().err
    assert await tables(database_url) == before
    assert file.rejected() == [late.encode()]


async def _waits_by_enrolling(database_url: str, folder: Path) -> None:
    await write_file(folder, [definition(), enrollment_line(CUSTOMER, "2026-06-10T00:00:00Z")]).load(database_url)


async def _waits_by_leaving(database_url: str, folder: Path) -> None:
    await write_file(folder, [definition(), enrollment_line(CUSTOMER)]).load(database_url)
    await decide(database_url, leave_line(CUSTOMER, at="2026-06-10T00:00:00Z"))


@pytest.mark.parametrize("waits", [_waits_by_enrolling, _waits_by_leaving])
async def test_cycles_that_an_account_waits_for_belong_on_their_topic(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], waits: Callable[[str, Path], Any]
) -> None:
    await waits(database_url, tmp_path)
    before = await tables(database_url)
    file = write_file(tmp_path, [definition(appended_definition(2))])
    assert counted(await file.load(database_url)) == {"bad": 1}
    assert (
        "belongs_on_topic: appends cycles for waiting accounts, which a lane has to settle: use `unenroll publish`"
        in capsys.readouterr().err
    )
    assert await tables(database_url) == before


async def test_five_thousand_facts(database_url: str, tmp_path: Path) -> None:
    customers = range(1, 1251)
    facts = [line for customer in customers for line in three_rewards(customer)]
    loaded = await write_file(tmp_path, [definition(), *facts]).load(database_url)
    assert counted(loaded) == {"definitions": 1, "facts": 5000}
    assert await one(database_url, "select count(*) from ledger") == 5000
    assert await one(database_url, "select sum(decisions) from accounts") == 5000
