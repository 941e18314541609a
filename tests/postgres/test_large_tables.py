"""What operators ask of large tables is read in pages, or says that it is an estimate."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from unenroll.postgres import api_requests, audit, erasure, replays, stats
from unenroll.postgres import pool as sessions
from unenroll.postgres.api_requests import undecided_requests
from unenroll.postgres.audit import AuditScope
from unenroll.postgres.erasure import BatchKey, batches_to_rewrite
from unenroll.postgres.pool import open_pool
from unenroll.postgres.replays import ReplayLane, publications_between
from unenroll.postgres.retention import TABLES, PruneCut, prune_steps, table_size
from unenroll.postgres.stats import overview

ROWS = 200_000
LANE = """
    insert into lanes (topic_prefix, group_id, partition) values ('t.', 'g', 0);
"""
LEDGER = """
    insert into ledger (customer_id, event_key, event_type, content_version, content_hash, target_id, decided_at)
    select n, gen_random_uuid(), 'RewardEarned', 1, '', 21, now() from generate_series(1, 200000) as n;
    analyze ledger;
"""
BATCHES = """
    insert into publications select lane_id, n, n, $1, now() - interval '100 days'
    from lanes cross join generate_series(1, $2::integer) as n
"""


async def test_a_count_that_takes_too_long_is_estimated(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    await pool.execute(LEDGER)
    found = await overview(pool)
    assert (found.requests, found.facts, found.estimates) == ({}, {"RewardEarned": ROWS}, {})
    monkeypatch.setattr(stats, "COUNT_MS", 1)
    found = await overview(pool)
    assert found.requests is found.facts is None
    assert ROWS * 0.9 < (found.estimates["ledger"] or 0) < ROWS * 1.1


async def test_a_table_that_was_never_analyzed_has_no_estimate(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pool.execute(LEDGER)
    await pool.execute("update pg_class set reltuples = -1 where relname = 'ledger'")
    monkeypatch.setattr(stats, "COUNT_MS", 1)
    assert (await overview(pool)).estimates["ledger"] is None


async def test_a_locked_table_is_estimated(
    database_url: str, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sessions._SESSION_SETTINGS, "lock_timeout", "50ms")  # noqa: SLF001 - it is 9 s
    async with open_pool(database_url) as impatient, pool.acquire() as other, other.transaction():
        await other.execute("lock table dead_letters in access exclusive mode")
        found = await overview(impatient)
    assert (found.dead_letters, found.erased, list(found.estimates)) == (None, 0, ["dead_letters"])


async def test_definitions_are_read_page_by_page(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "_PAGE_GROUPS", 3)
    await pool.execute("""
        insert into target_groups
        select n, 1, '{"name": "", "active": true, "cycles": [], "targets": []}' from generate_series(-3, 3) as n
    """)
    assert [one.group_id for one in (await overview(pool)).definitions] == list(range(-3, 4))


async def test_verify_reads_few_bytes_at_a_time(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "PAGE_BYTES", 1000)
    await pool.execute("""
        insert into accounts select n, target, 1, false, repeat('x', n * 100)
        from generate_series(1, 12) as n cross join generate_series(1, 2) as target
    """)
    pages = [[one.key.customer_id for one in page] async for page in audit.audit(pool, AuditScope())]
    assert [sorted({*page}) for page in pages] == [[1, 2], [3], [4], [5], *([n] for n in range(6, 13))]


async def test_a_replay_reads_few_bytes_at_a_time(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "MAX_BATCHES_BYTES", 1000)
    await pool.execute(LANE)
    await pool.execute(BATCHES, b"x" * 400, 7)
    lane = ReplayLane(0, await pool.fetchval("select lane_id from lanes"), 7)
    pages = [[one.sequence for one in await publications_between(pool, lane, above)] for above in (0, 3, 6, 7)]
    assert pages == [[1, 2, 3], [4, 5, 6], [7], []]


@pytest.fixture
async def slow_deletes(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncpg.Pool]:
    """A pool with an outbox of 2,000 batches, of which a statement may not delete more than some 500."""
    monkeypatch.setitem(sessions._SESSION_SETTINGS, "statement_timeout", "700ms")  # noqa: SLF001 - it is 10 s
    async with open_pool(database_url) as pool:
        await pool.execute(LANE)
        await pool.execute(BATCHES, b"", 2000)
        await pool.execute("""
            update lanes set published = 2000;
            create function slow() returns trigger language plpgsql as $$
                begin perform pg_sleep(0.001); return old; end
            $$;
            create trigger slow before delete on publications for each row execute function slow();
        """)
        yield pool


async def test_prune_deletes_less_at_a_time_if_it_takes_too_long(slow_deletes: asyncpg.Pool) -> None:
    (table,) = [one for one in TABLES if one.name == "publications"]
    lanes = [row["lane_id"] for row in await slow_deletes.fetch("select lane_id from lanes")]
    cut = PruneCut(before=datetime.now(UTC), topic_prefix="t.", lanes=lanes, retained=[])
    blocks = (await table_size(slow_deletes, table)).blocks
    steps = [step async for step in prune_steps(slow_deletes, table, cut, blocks=blocks, dry_run=False)]
    assert (sum(step.blocks for step in steps), sum(step.rows for step in steps)) == (blocks, 2000)
    assert await slow_deletes.fetchval("select count(*) from publications") == 0


async def test_an_account_is_rewritten_beside_the_old_one_so_no_index_changes(pool: asyncpg.Pool) -> None:
    await pool.execute("""
        insert into accounts
        select n, 21, 1, false, (select string_agg(md5((n * 100 + k)::text), '') from generate_series(1, 18) as k)
        from generate_series(1, 5000) as n
    """)
    await pool.execute("update accounts set facts = facts || md5('') where customer_id % 10 = 0")
    async with pool.acquire() as connection:
        await connection.execute("select pg_stat_force_next_flush()")
    row = await pool.fetchrow("select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'accounts'")
    assert tuple(row or ()) == (500, 500)


async def test_large_accounts_are_vacuumed_early(pool: asyncpg.Pool) -> None:
    options = await pool.fetch("""
        select unnest(reloptions) from pg_class
        where oid in ('accounts'::regclass, (select reltoastrelid from pg_class where oid = 'accounts'::regclass))
    """)
    assert [row["unnest"] for row in options].count("autovacuum_vacuum_scale_factor=0.02") == 2


async def test_undecided_calls_are_found_page_by_page_of_all_calls(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_requests, "_PAGE_SIZE", 10)
    await pool.execute("""
        insert into api_requests
            (request_id, caller, event_type, fingerprint, customer_id, target_id, event_key, event_time, data,
             created_at)
        select gen_random_uuid(), 'crm', 'UnenrollRequested', '', n, 21, gen_random_uuid(), now(), '{}',
               now() - interval '1 hour'
        from generate_series(1, 95) as n;
        insert into ledger
            (customer_id, event_key, event_type, content_version, content_hash, target_id, decided_at)
        select customer_id, event_key, event_type, 1, '', 21, now() from api_requests where customer_id % 3 > 0;
    """)
    before = datetime.now(UTC) - timedelta(minutes=1)
    pages = [page async for page in undecided_requests(pool, before=before)]
    assert max(map(len, pages)) <= 10
    assert sorted(call.customer_id for page in pages for call in page) == list(range(3, 96, 3))


async def test_batches_with_dead_letters_are_found_page_by_page(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "PAGE_LETTERS", 10)
    await pool.execute(LANE)
    await pool.execute("""
        insert into publications
        select lane_id, n * 10, n * 10 - 9, '', now() from lanes cross join generate_series(1, 5) as n;
        insert into dead_letters
        select 't.facts', int8send(n), 'schema', '', lane_id, n, 'id', 0, n, 0, now()
        from lanes cross join generate_series(1, 45) as n;
        delete from publications where last_sequence = 30;
    """)
    lane_id = await pool.fetchval("select lane_id from lanes")
    assert await batches_to_rewrite(pool, 7) == [BatchKey(lane_id, number) for number in (10, 20, 40, 50)]
