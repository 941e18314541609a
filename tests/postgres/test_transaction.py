"""A transaction says whether nothing happened, or whether nobody knows."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from support.wire_cutter import cutting
from unenroll.errors import LaneLostError, OutageError, RefusedError
from unenroll.postgres import pool as connect
from unenroll.postgres.errors import took_too_long
from unenroll.postgres.pool import Connection, connected, transaction


async def test_a_commit_without_an_answer_is_not_known_to_have_failed(database_url: str) -> None:
    async with cutting(database_url, commits=1) as way, connected(way.database_url) as pool:
        with pytest.raises(LaneLostError, match="unknown whether it happened"):
            async with transaction(pool) as connection:
                await connection.execute("create table happened ()")
        assert await pool.fetchval("select to_regclass('happened') is not null")


async def test_of_a_transaction_that_is_refused_nothing_happened(database_url: str) -> None:
    async with connected(database_url) as pool:
        with pytest.raises(RefusedError):
            async with transaction(pool) as connection:
                await connection.execute("create table happened (); select 1 / 0")
        assert await pool.fetchval("select to_regclass('happened') is null")


async def _fail(_: asyncpg.Connection) -> None:
    raise ConnectionResetError("the connection is gone")


async def test_a_commit_that_happened_is_no_failure_though_its_connection_cannot_be_given_back(
    database_url: str,
) -> None:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1, reset=_fail) as pool:
        async with transaction(pool) as connection:
            await connection.execute("create table here ()")
        async with transaction(pool) as connection:
            assert await connection.fetchval("select count(*) from pg_tables where tablename = 'here'") == 1


async def test_the_error_that_ended_a_transaction_is_told_and_not_that_of_giving_back_its_connection(
    database_url: str,
) -> None:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1, reset=_fail) as pool:
        with pytest.raises(OutageError, match="asks to try again"):
            async with transaction(pool) as connection:
                await connection.execute("do $$ begin raise exception 'no' using errcode = '40001'; end $$")


async def _ends_the_others(database_url: str, ours: Connection) -> None:
    """Returns once the server has ended our session."""
    other = await asyncpg.connect(database_url)
    pid = await ours.fetchval("select pg_backend_pid()")
    await other.execute("select pg_terminate_backend($1, 10000)", pid)
    await other.close()


async def _asks(connection: Connection) -> None:
    await connection.execute("select 1")


async def _copies(connection: Connection) -> None:
    await connection.copy_records_to_table("happened", records=[(1,)])


@pytest.mark.parametrize("then", [_asks, _copies])
@pytest.mark.parametrize("looks", [0, 1, 2, 3])
async def test_a_session_that_the_server_ended_is_an_outage(
    database_url: str, then: Callable[[Connection], Awaitable[None]], looks: int
) -> None:
    async def work(pool: asyncpg.Pool) -> None:
        async with transaction(pool) as connection:
            await connection.execute("create table happened (number integer)")
            await _ends_the_others(database_url, connection)
            for _ in range(looks):  # what the client has read by then differs from look to look
                await asyncio.sleep(0)
            await then(connection)

    async with connected(database_url) as pool:
        with pytest.raises(OutageError):
            await work(pool)
        assert await pool.fetchval("select to_regclass('happened') is null")


async def _is_gone(database_url: str, pid: int) -> None:
    """Returns once the server has ended this session."""
    other = await asyncpg.connect(database_url)
    gone = "select not exists (select from pg_stat_activity where pid = $1)"
    async with asyncio.timeout(30):
        while not await other.fetchval(gone, pid):  # noqa: ASYNC110 - Postgres tells nobody
            await asyncio.sleep(0.02)
    await other.close()


async def _asks_too_late(pool: asyncpg.Pool, database_url: str) -> None:
    async with transaction(pool) as connection:
        await _is_gone(database_url, await connection.fetchval("select pg_backend_pid()"))
        await _asks(connection)


async def _asks_when_ended(pool: asyncpg.Pool, database_url: str) -> None:
    async with transaction(pool) as connection:
        await _ends_the_others(database_url, connection)
        await _asks(connection)


async def test_a_session_that_postgres_ends_because_we_compute_for_too_long_took_too_long(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connect._LIMITS, "idle_in_transaction_session_timeout", "1s")  # noqa: SLF001 - ten are long
    monkeypatch.setattr(connect, "_IDLE_SECONDS", 1)
    async with connected(database_url) as pool:
        with pytest.raises(OutageError) as outage:
            await _asks_too_late(pool, database_url)
    assert took_too_long(outage.value)


async def test_a_session_that_somebody_ends_did_not_take_too_long(database_url: str) -> None:
    async with connected(database_url) as pool:
        with pytest.raises(OutageError) as outage:
            await _asks_when_ended(pool, database_url)
    assert not took_too_long(outage.value)
