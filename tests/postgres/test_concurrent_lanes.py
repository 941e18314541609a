"""Two lanes decide on one account at the same time: the second waits, then decides on what the first has saved."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import pytest

from support.batch_decisions import decide
from support.events import ENROLLED, definition, leave, lines_of_customer, period_end
from support.files import write_file
from waiting import until

CUSTOMER = 1
_WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
_BLOCK_WRITES = "lock table ledger in share row exclusive mode"
_END = """
    select decisions, (select outcome::text from leaves) as leave, (select action::text from rewards) as reward
    from accounts
"""


def events(*lines: dict[str, object]) -> list[str]:
    return lines_of_customer(CUSTOMER, list(lines))


async def decide_concurrently(database_url: str, one: list[str], other: list[str]) -> tuple[Mapping[str, int], ...]:
    """The counts of two lanes by outcome. Neither lane could commit before both had started."""
    blocker, watch = await asyncpg.connect(database_url), await asyncpg.connect(database_url)

    async def both_wait() -> bool:
        return bool(await watch.fetchval(_WAITING) == 2)

    try:
        async with blocker.transaction():
            await blocker.execute(_BLOCK_WRITES)
            lanes = asyncio.gather(decide(database_url, *one, lane=0), decide(database_url, *other, lane=1))
            await until(both_wait, seconds=8)
        return await lanes
    finally:
        await blocker.close()
        await watch.close()


async def end_state(database_url: str) -> dict[str, object]:
    connection = await asyncpg.connect(database_url)
    try:
        return dict(await connection.fetchrow(_END) or {})
    finally:
        await connection.close()


@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
async def test_two_concurrent_lanes_decide_the_same_as_one_after_the_other(
    database_url: str, tmp_path: Path, known: bool
) -> None:
    await write_file(tmp_path, [definition()]).load(database_url)
    reward, request = period_end("R3", "c3", "05 03"), leave("15 03")
    if known:
        await decide(database_url, *events(ENROLLED))
    await decide_concurrently(database_url, events(reward) if known else events(ENROLLED, reward), events(request))
    assert await end_state(database_url) == {"decisions": 3, "leave": "UNENROLLED", "reward": "VOID"}


async def test_an_event_that_two_lanes_read_concurrently_is_decided_once(database_url: str, tmp_path: Path) -> None:
    await write_file(tmp_path, [definition()]).load(database_url)
    await decide(database_url, *events(ENROLLED, period_end("R3", "c3", "05 03")))
    counts = await decide_concurrently(database_url, events(leave("15 03")), events(leave("15 03")))
    assert sum(map(Counter, counts), Counter()) == {"UNENROLLED": 1, "duplicate": 1}
    assert await end_state(database_url) == {"decisions": 3, "leave": "UNENROLLED", "reward": "VOID"}
