"""A customer is erased between batches: none that goes on has looked before, and none that comes later takes it."""

import asyncio

import asyncpg
import pytest

from support.events import utc
from unenroll.errors import OutageError
from unenroll.postgres.erasure import erased_among, record_erasure
from unenroll.postgres.errors import blocked
from unenroll.postgres.pool import connected, transaction

CUSTOMER = 423789336


async def waits_for_a_lock(pool: asyncpg.Pool) -> bool:
    return bool(await pool.fetchval("select exists (select from pg_locks where not granted and relation is not null)"))


async def test_a_batch_in_hand_is_waited_for_and_what_it_adds_is_erased(database_url: str) -> None:
    async with connected(database_url) as pool:
        async with transaction(pool) as connection:
            assert await erased_among(connection, [CUSTOMER]) == {}
            erasing = asyncio.create_task(record_erasure(pool, CUSTOMER))
            async with asyncio.timeout(10):
                while not await waits_for_a_lock(pool):  # noqa: ASYNC110 - Postgres tells nobody
                    await asyncio.sleep(0.01)
            await connection.execute(
                "insert into accounts (customer_id, target_id, facts) values ($1, 21, '[]')", CUSTOMER
            )
        tombstone, gone = await erasing
        assert gone["accounts"] == 1
        async with transaction(pool) as connection:
            assert await erased_among(connection, [CUSTOMER, 7]) == {CUSTOMER: tombstone.until}


async def test_whoever_waits_behind_an_erasure_does_not_wait_for_long(database_url: str) -> None:
    async with connected(database_url) as pool:
        async with transaction(pool) as connection:
            await erased_among(connection, [CUSTOMER])
            with pytest.raises(OutageError) as outage:
                await record_erasure(pool, CUSTOMER)
        assert blocked(outage.value)
        assert await pool.fetchval("select count(*) from erased_customers") == 0


@pytest.mark.parametrize(("ahead", "counts"), [("1 hour", True), ("40 years", False)])
async def test_clocks_may_have_been_ahead_by_a_day(database_url: str, ahead: str, counts: bool) -> None:
    async with connected(database_url) as pool:
        await pool.execute(
            "insert into ledger (customer_id, event_key, event_type, content_version, content_hash, event_time, "
            "target_id, decided_at) values ($1, gen_random_uuid(), 'CustomerEnrolled', 1, '', "
            "now() + $2::text::interval, 21, now())",
            CUSTOMER,
            ahead,
        )
        told = await pool.fetchval("select max(event_time) from ledger")
        tombstone, gone = await record_erasure(pool, CUSTOMER)
        assert (tombstone.until == told) == counts
        assert tombstone.erased_at < tombstone.until < utc("2060-01-01T00:00:00Z")
        assert gone["ledger"] == await pool.fetchval("select count from erased_counts where became = ''") == 1


async def test_who_is_not_in_the_ledger_or_is_erased_twice_is_taken_again_from_that_moment_on(
    database_url: str,
) -> None:
    async with connected(database_url) as pool:
        first, _ = await record_erasure(pool, CUSTOMER)
        again, _ = await record_erasure(pool, CUSTOMER)
        assert first.until == first.erased_at
        assert again.until == again.erased_at > first.until
