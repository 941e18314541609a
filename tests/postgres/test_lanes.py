"""Only the latest owner of a lane can decide, and only from the saved positions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace

import asyncpg
import pytest

from support.events import utc
from unenroll.errors import LaneLostError, OutageError
from unenroll.postgres import lanes
from unenroll.postgres.lanes import (
    LaneKey,
    LaneRow,
    PendingBatch,
    lock_lane,
    move_lane,
    publications_above,
    release_lane,
    reposition,
    take_lane,
)
from unenroll.postgres.pool import open_pool, transaction
from unenroll.wire.topics import Position
from waiting import until

KEY = LaneKey(topic_prefix="unenroll.", group_id="unenroll", partition=3)
REQUESTS = Position(topic="unenroll.requests", topic_id="id-1", partitions=4, offset=100)


async def lock_and_move(pool: asyncpg.Pool, lane: LaneRow, to: LaneRow) -> None:
    async with transaction(pool) as connection:
        await lock_lane(connection, lane)
        await move_lane(connection, to)


async def test_a_new_lane_is_empty_and_a_taken_lane_continues_from_its_positions(database_url: str) -> None:
    async with open_pool(database_url) as pool:
        lane = await take_lane(pool, KEY)
        assert (lane.partition, lane.epoch, lane.sequence, lane.published, lane.positions) == (3, 1, 0, 0, ())
        await lock_and_move(pool, lane, replace(lane, sequence=7, published=5, positions=(REQUESTS,)))
        again = await take_lane(pool, KEY)
    assert again == replace(lane, epoch=2, sequence=7, published=5, positions=(REQUESTS,))


async def test_the_former_owner_cannot_decide_any_more(database_url: str) -> None:
    async with open_pool(database_url) as pool:
        former = await take_lane(pool, KEY)
        await take_lane(pool, KEY)
        with pytest.raises(LaneLostError, match="another worker has taken the lane"):
            async with transaction(pool) as connection:
                await lock_lane(connection, former)
        with pytest.raises(LaneLostError, match="another worker has taken the lane"):
            await reposition(pool, replace(former, positions=(REQUESTS,)))
        with pytest.raises(LaneLostError, match="another worker has taken the lane"):
            async with transaction(pool) as connection:
                await move_lane(connection, former, PendingBatch(1, b"bytes", utc("2026-04-01T00:00:00Z")))
        assert await publications_above(pool, former, 0) == []
        await release_lane(pool, replace(former, published=99))
        assert (await take_lane(pool, KEY)).published == 0


@pytest.mark.parametrize(
    "different",
    [{"sequence": 1}, {"positions": (REQUESTS,)}, {"positions": (replace(REQUESTS, topic_id="id-2"),)}],
)
async def test_a_batch_must_start_at_the_saved_positions(database_url: str, different: dict[str, object]) -> None:
    async with open_pool(database_url) as pool:
        lane = await take_lane(pool, KEY)
        with pytest.raises(LaneLostError, match="does not start where the last decision of the lane ended"):
            await lock_and_move(pool, replace(lane, **different), lane)  # type: ignore[arg-type] # by name


async def test_publications_above_a_decision_are_returned_in_order(database_url: str) -> None:
    async with open_pool(database_url) as pool:
        lane = await take_lane(pool, KEY)
        async with transaction(pool) as connection:
            for last in (30, 10, 20):
                publication = PendingBatch(last - 9, b"%d" % last, utc("2026-04-01T00:00:00Z"))
                await move_lane(connection, replace(lane, sequence=last), publication)
        assert await publications_above(pool, lane, 10) == [b"20", b"30"]
        assert await publications_above(pool, lane, 0) == [b"10", b"20", b"30"]


async def test_the_last_published_decision_never_decreases(database_url: str) -> None:
    async with open_pool(database_url) as pool:
        lane = await take_lane(pool, KEY)
        for published in (5, 3):
            await release_lane(pool, replace(lane, published=published))
        assert (await take_lane(pool, KEY)).published == 5


@asynccontextmanager
async def hung(pool: asyncpg.Pool, lane: LaneRow) -> AsyncIterator[None]:
    """An owner of the lane that hangs during a COPY."""
    copying = asyncio.Event()

    async def rows() -> AsyncIterator[tuple[object, ...]]:
        copying.set()
        await asyncio.Event().wait()
        yield ()

    async def decide() -> None:
        async with transaction(pool) as connection:
            await lock_lane(connection, lane)
            await connection.copy_records_to_table("ledger", records=rows(), columns=["customer_id"])

    task = asyncio.create_task(decide())
    await copying.wait()
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, OutageError):
            await task


async def copies(pool: asyncpg.Pool, number: int) -> bool:
    """Whether this many sessions run a COPY."""
    query = "select count(*) from pg_stat_activity where query like 'COPY%' and datname = current_database()"
    return bool(await pool.fetchval(query) == number)


async def test_taking_a_lane_terminates_only_the_hung_session_that_blocks_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_BLOCKED_SECONDS", 0.5)
    monkeypatch.setattr(lanes, "_HUNG_SECONDS", 0.1)
    other = replace(KEY, partition=4)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(database_url, connections=6))
        former, unrelated = await take_lane(pool, KEY), await take_lane(pool, other)
        await stack.enter_async_context(hung(pool, former))
        await stack.enter_async_context(hung(pool, unrelated))
        assert (await take_lane(pool, KEY)).epoch == former.epoch + 1
        await until(lambda: copies(pool, 1))  # a session releases its locks before it ends
        await asyncio.sleep(0.1)  # a session that was terminated as well would end meanwhile
        assert await copies(pool, 1)
