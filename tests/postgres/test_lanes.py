"""A lane's row lets its newest owner decide, from where the lane stands, and nobody else."""

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
    hold_lane,
    leave_lane,
    move_lane,
    publications_above,
    reposition,
    take_lane,
)
from unenroll.postgres.pool import connected, transaction
from unenroll.wire.topics import Position
from waiting import until

KEY = LaneKey(topic_prefix="unenroll.", group_id="unenroll", partition=3)
REQUESTS = Position(topic="unenroll.requests", topic_id="id-1", partitions=4, offset=100)


async def hold_and_move(pool: asyncpg.Pool, lane: LaneRow, to: LaneRow) -> None:
    async with transaction(pool) as connection:
        await hold_lane(connection, lane)
        await move_lane(connection, to)


async def test_a_lane_begins_with_nothing_and_goes_on_where_it_was(database_url: str) -> None:
    async with connected(database_url) as pool:
        lane = await take_lane(pool, KEY)
        assert (lane.partition, lane.epoch, lane.sequence, lane.published, lane.positions) == (3, 1, 0, 0, ())
        await hold_and_move(pool, lane, replace(lane, sequence=7, published=5, positions=(REQUESTS,)))
        again = await take_lane(pool, KEY)
    assert again == replace(lane, epoch=2, sequence=7, published=5, positions=(REQUESTS,))


async def test_the_former_owner_decides_nothing_more(database_url: str) -> None:
    async with connected(database_url) as pool:
        former = await take_lane(pool, KEY)
        await take_lane(pool, KEY)
        with pytest.raises(LaneLostError, match="another worker took the lane"):
            async with transaction(pool) as connection:
                await hold_lane(connection, former)
        with pytest.raises(LaneLostError, match="another worker took the lane"):
            await reposition(pool, replace(former, positions=(REQUESTS,)))
        with pytest.raises(LaneLostError, match="another worker took the lane"):
            async with transaction(pool) as connection:
                await move_lane(connection, former, PendingBatch(1, b"bytes", utc("2026-04-01T00:00:00Z")))
        assert await publications_above(pool, former, 0) == []
        await leave_lane(pool, replace(former, published=99))
        assert (await take_lane(pool, KEY)).published == 0


@pytest.mark.parametrize(
    "elsewhere",
    [{"sequence": 1}, {"positions": (REQUESTS,)}, {"positions": (replace(REQUESTS, topic_id="id-2"),)}],
)
async def test_a_batch_begins_where_the_lane_stands(database_url: str, elsewhere: dict[str, object]) -> None:
    async with connected(database_url) as pool:
        lane = await take_lane(pool, KEY)
        with pytest.raises(LaneLostError, match="does not begin where the lane has decided up to"):
            await hold_and_move(pool, replace(lane, **elsewhere), lane)  # type: ignore[arg-type] # by name


async def test_what_is_kept_to_publish_comes_back_in_order_above_a_number(database_url: str) -> None:
    async with connected(database_url) as pool:
        lane = await take_lane(pool, KEY)
        async with transaction(pool) as connection:
            for last in (30, 10, 20):
                publication = PendingBatch(last - 9, b"%d" % last, utc("2026-04-01T00:00:00Z"))
                await move_lane(connection, replace(lane, sequence=last), publication)
        assert await publications_above(pool, lane, 10) == [b"20", b"30"]
        assert await publications_above(pool, lane, 0) == [b"10", b"20", b"30"]


async def test_what_is_published_never_goes_back(database_url: str) -> None:
    async with connected(database_url) as pool:
        lane = await take_lane(pool, KEY)
        for published in (5, 3):
            await leave_lane(pool, replace(lane, published=published))
        assert (await take_lane(pool, KEY)).published == 5


@asynccontextmanager
async def hung(pool: asyncpg.Pool, lane: LaneRow) -> AsyncIterator[None]:
    """An owner of the lane that is frozen amid a COPY."""
    copying = asyncio.Event()

    async def rows() -> AsyncIterator[tuple[object, ...]]:
        copying.set()
        await asyncio.Event().wait()
        yield ()

    async def decide() -> None:
        async with transaction(pool) as connection:
            await hold_lane(connection, lane)
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
    """Whether so many sessions are amid a COPY."""
    asked = "select count(*) from pg_stat_activity where query like 'COPY%' and datname = current_database()"
    return bool(await pool.fetchval(asked) == number)


async def test_whoever_takes_a_lane_ends_the_hung_session_that_blocks_it_and_no_other(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_LOCKED_SECONDS", 0.5)
    monkeypatch.setattr(lanes, "_HUNG_SECONDS", 0.1)
    other = replace(KEY, partition=4)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(connected(database_url, connections=6))
        former, elsewhere = await take_lane(pool, KEY), await take_lane(pool, other)
        await stack.enter_async_context(hung(pool, former))
        await stack.enter_async_context(hung(pool, elsewhere))
        assert (await take_lane(pool, KEY)).epoch == former.epoch + 1
        await until(lambda: copies(pool, 1))  # a session lets go of its locks before it is gone
        await asyncio.sleep(0.1)
        assert await copies(pool, 1)
