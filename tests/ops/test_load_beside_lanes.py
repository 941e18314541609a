"""A load while lanes decide: it sees what they commit before it gets its locks."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from support.events import definition, enrollment_line, three_rewards
from support.files import File, write_file
from unenroll.ops.load.load import LoadResult
from waiting import until

_SOMEBODY_WAITS = """
    select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())
"""
_LOCK = """
    insert into accounts values (1, 21, 0, false, '[1,0,[],[],[],{},[],[],[[],[],[],[]]]') on conflict do nothing;
    select from accounts for update;
"""
_LEAVE = """
    update accounts
    set decisions = decisions + 1,
        facts = jsonb_set(jsonb_set(jsonb_set(facts::jsonb,
            '{3}', '[[["leave", "/crm"], "2026-03-15T00:00:00Z", null, null]]'),
            '{6}', '[["NOT_ENROLLED", null]]'),
            '{8,1}', '["2026-03-16T00:00:00Z"]')::text;
"""
_PUT_ASIDE = """
    create table decided as table ledger;
    create table known as table accounts;
    truncate ledger, accounts;
"""
_FORGET_ALL = ""
_FORGET_REWARDS = """
    insert into accounts
    select customer_id, target_id, 1, waits, jsonb_set(jsonb_set(jsonb_set(facts::jsonb,
        '{4}', '[]'), '{7}', '[]'), '{8,2}', '[]')::text
    from known;
    insert into ledger select * from decided where event_type = 'CustomerEnrolled';
"""
_DECIDE_AGAIN = """
    insert into ledger table decided on conflict do nothing;
    update accounts set decisions = known.decisions, facts = known.facts from known;
"""


async def loaded_while_a_lane_decides(file: File, database_url: str, decision: str) -> LoadResult:
    """The result of a load that waits while a lane decides about the same account."""
    lane, watch = await asyncpg.connect(database_url), await asyncpg.connect(database_url)

    async def somebody_waits() -> bool:
        return bool(await watch.fetchval(_SOMEBODY_WAITS))

    try:
        async with lane.transaction():
            await lane.execute(_LOCK)
            loading = asyncio.create_task(file.load(database_url))
            await until(somebody_waits)
            await lane.execute(decision)
        return await loading
    finally:
        await lane.close()
        await watch.close()


@pytest.mark.parametrize("known", [False, True], ids=["of a new account", "of a known account"])
async def test_a_leave_that_came_meanwhile_keeps_the_facts_out(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], known: bool
) -> None:
    await write_file(tmp_path, [definition(), *([enrollment_line(1)] if known else [])]).load(database_url)
    file = write_file(tmp_path, three_rewards(1)[1:])
    loaded = await loaded_while_a_lane_decides(file, database_url, _LEAVE)
    assert (loaded.facts, loaded.bad) == (0, 3)
    assert capsys.readouterr().err.count("belongs_on_topic: customer 1 has left target 21") == 3


@pytest.mark.parametrize("forget", [_FORGET_ALL, _FORGET_REWARDS], ids=["of a new account", "of a known account"])
async def test_events_that_were_decided_meanwhile_are_duplicates_even_after_a_leave(
    database_url: str, tmp_path: Path, forget: str
) -> None:
    file = write_file(tmp_path, [definition(), *three_rewards(1)])
    await file.load(database_url)
    connection = await asyncpg.connect(database_url)
    await connection.execute(_PUT_ASIDE + forget)
    loaded = await loaded_while_a_lane_decides(file, database_url, _DECIDE_AGAIN + _LEAVE)
    assert (loaded.facts, loaded.duplicates, loaded.bad) == (0, 5, 0)
    await connection.close()
