"""Two lanes that decide on one account at the same time: the second waits, and builds on what the first decided."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import pytest

from support.decisions import decide
from support.events import ENROLLED, definition, leave, of, period_end
from support.files import written
from waiting import until

CUSTOMER = 1
_WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
_NOBODY_WRITES = "lock table ledger in share row exclusive mode"
_END = """
    select decisions, (select outcome::text from leaves) as leave, (select action::text from rewards) as reward
    from accounts
"""


def told(*lines: dict[str, object]) -> list[str]:
    return of(CUSTOMER, list(lines))


async def decided_at_once(database_url: str, one: list[str], other: list[str]) -> tuple[Mapping[str, int], ...]:
    """How many of each kind two lanes have decided, neither of which could commit before both had begun."""
    between, watch = await asyncpg.connect(database_url), await asyncpg.connect(database_url)

    async def both_wait() -> bool:
        return bool(await watch.fetchval(_WAITING) == 2)

    try:
        async with between.transaction():
            await between.execute(_NOBODY_WRITES)
            lanes = asyncio.gather(decide(database_url, *one, lane=0), decide(database_url, *other, lane=1))
            await until(both_wait, seconds=8)
        return await lanes
    finally:
        await between.close()
        await watch.close()


async def ended(database_url: str) -> dict[str, object]:
    connection = await asyncpg.connect(database_url)
    try:
        return dict(await connection.fetchrow(_END) or {})
    finally:
        await connection.close()


@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
async def test_what_two_lanes_decide_on_an_account_at_once_is_what_one_after_the_other_would(
    database_url: str, tmp_path: Path, known: bool
) -> None:
    await written(tmp_path, [definition()]).load(database_url)
    reward, goes = period_end("R3", "c3", "05 03"), leave("15 03")
    if known:
        await decide(database_url, *told(ENROLLED))
    await decided_at_once(database_url, told(reward) if known else told(ENROLLED, reward), told(goes))
    assert await ended(database_url) == {"decisions": 3, "leave": "UNENROLLED", "reward": "VOID"}


async def test_the_same_event_in_two_lanes_at_once_is_decided_once(database_url: str, tmp_path: Path) -> None:
    await written(tmp_path, [definition()]).load(database_url)
    await decide(database_url, *told(ENROLLED, period_end("R3", "c3", "05 03")))
    counts = await decided_at_once(database_url, told(leave("15 03")), told(leave("15 03")))
    assert sum(map(Counter, counts), Counter()) == {"UNENROLLED": 1, "duplicate": 1}
    assert await ended(database_url) == {"decisions": 3, "leave": "UNENROLLED", "reward": "VOID"}
