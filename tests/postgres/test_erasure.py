"""An erasure waits for running batches, and later batches ignore the older events of the customer."""

import asyncio

import asyncpg
import pytest

from support.events import utc
from unenroll.errors import OutageError
from unenroll.postgres.erasure import lock_erasures, record_erasure
from unenroll.postgres.errors import is_blocked
from unenroll.postgres.pool import open_pool, transaction

CUSTOMER = 423789336


async def waits_for_a_lock(pool: asyncpg.Pool) -> bool:
    return bool(await pool.fetchval("select exists (select from pg_locks where not granted and relation is not null)"))


async def test_an_erasure_waits_for_a_running_batch_and_erases_its_rows(database_url: str) -> None:
    async with open_pool(database_url) as pool:
        async with transaction(pool) as connection:
            assert await lock_erasures(connection, [CUSTOMER]) == {}
            erasing = asyncio.create_task(record_erasure(pool, CUSTOMER))
            async with asyncio.timeout(10):
                while not await waits_for_a_lock(pool):  # noqa: ASYNC110 - Postgres does not notify
                    await asyncio.sleep(0.01)
            await connection.execute(
                "insert into accounts (customer_id, target_id, facts) values ($1, 21, '[]')", CUSTOMER
            )
        tombstone, rows = await erasing
        assert rows["accounts"] == 1
        async with transaction(pool) as connection:
            assert await lock_erasures(connection, [CUSTOMER, 7]) == {CUSTOMER: tombstone.until}


async def test_an_erasure_gives_up_its_lock_request_after_a_short_time(database_url: str) -> None:
    async with open_pool(database_url) as pool:
        async with transaction(pool) as connection:
            await lock_erasures(connection, [CUSTOMER])
            with pytest.raises(OutageError) as outage:
                await record_erasure(pool, CUSTOMER)
        assert is_blocked(outage.value)
        assert await pool.fetchval("select count(*) from erased_customers") == 0


@pytest.mark.parametrize(("ahead", "covered"), [("1 hour", True), ("40 years", False)])
async def test_an_erasure_covers_later_event_times_of_up_to_a_day(database_url: str, ahead: str, covered: bool) -> None:
    async with open_pool(database_url) as pool:
        await pool.execute(
            "insert into ledger (customer_id, event_key, event_type, content_version, content_hash, event_time, "
            "target_id, decided_at) values ($1, gen_random_uuid(), 'CustomerEnrolled', 1, '', "
            "now() + $2::text::interval, 21, now())",
            CUSTOMER,
            ahead,
        )
        event_time = await pool.fetchval("select max(event_time) from ledger")
        tombstone, rows = await record_erasure(pool, CUSTOMER)
        assert (tombstone.until == event_time) == covered
        assert tombstone.erased_at < tombstone.until < utc("2060-01-01T00:00:00Z")
        assert rows["ledger"] == await pool.fetchval("select count from erased_counts where result = ''") == 1


async def test_a_second_erasure_covers_events_up_to_its_own_time(
    database_url: str,
) -> None:
    async with open_pool(database_url) as pool:
        first, _ = await record_erasure(pool, CUSTOMER)
        again, _ = await record_erasure(pool, CUSTOMER)
        assert first.until == first.erased_at
        assert again.until == again.erased_at > first.until
