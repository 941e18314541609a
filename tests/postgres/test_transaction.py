"""The error of a transaction says whether nothing was committed, or whether that is unknown."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from support.postgres_proxy import cutting_proxy
from unenroll.errors import LaneLostError, OutageError, RefusedError
from unenroll.postgres import pool as connect
from unenroll.postgres.errors import took_too_long
from unenroll.postgres.pool import Connection, open_pool, transaction


async def test_a_commit_without_an_answer_may_have_succeeded(database_url: str) -> None:
    async with cutting_proxy(database_url, commits=1) as way, open_pool(way.database_url) as pool:
        with pytest.raises(LaneLostError, match="unknown whether it has committed"):
            async with transaction(pool) as connection:
                await connection.execute("create table happened ()")
        assert await pool.fetchval("select to_regclass('happened') is not null")


async def test_a_refused_transaction_changes_nothing(database_url: str) -> None:
    async with open_pool(database_url) as pool:
        with pytest.raises(RefusedError):
            async with transaction(pool) as connection:
                await connection.execute("create table happened (); select 1 / 0")
        assert await pool.fetchval("select to_regclass('happened') is null")


async def _fail(_: asyncpg.Connection) -> None:
    raise ConnectionResetError("the connection is gone")


async def test_a_commit_succeeds_even_if_its_connection_cannot_be_released(
    database_url: str,
) -> None:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1, reset=_fail) as pool:
        async with transaction(pool) as connection:
            await connection.execute("create table here ()")
        async with transaction(pool) as connection:
            assert await connection.fetchval("select count(*) from pg_tables where tablename = 'here'") == 1


async def test_the_error_of_a_transaction_is_raised_and_not_that_of_releasing_its_connection(
    database_url: str,
) -> None:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1, reset=_fail) as pool:
        with pytest.raises(OutageError, match="asks for a retry"):
            async with transaction(pool) as connection:
                await connection.execute("do $$ begin raise exception 'no' using errcode = '40001'; end $$")


async def _terminate_session(database_url: str, connection: Connection) -> None:
    """Return when the server has ended the session."""
    other = await asyncpg.connect(database_url)
    pid = await connection.fetchval("select pg_backend_pid()")
    await other.execute("select pg_terminate_backend($1, 10000)", pid)
    await other.close()


async def _query(connection: Connection) -> None:
    await connection.execute("select 1")


async def _copy(connection: Connection) -> None:
    await connection.copy_records_to_table("happened", records=[(1,)])


@pytest.mark.parametrize("then", [_query, _copy])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
async def test_a_session_that_the_server_ended_is_an_outage(
    database_url: str, then: Callable[[Connection], Awaitable[None]], turns: int
) -> None:
    async def work(pool: asyncpg.Pool) -> None:
        async with transaction(pool) as connection:
            await connection.execute("create table happened (number integer)")
            await _terminate_session(database_url, connection)
            for _ in range(turns):  # how much the client has read by then differs
                await asyncio.sleep(0)
            await then(connection)

    async with open_pool(database_url) as pool:
        with pytest.raises(OutageError):
            await work(pool)
        assert await pool.fetchval("select to_regclass('happened') is null")


async def _wait_for_end(database_url: str, pid: int) -> None:
    """Return when the server has ended this session."""
    other = await asyncpg.connect(database_url)
    ended = "select not exists (select from pg_stat_activity where pid = $1)"
    async with asyncio.timeout(30):
        while not await other.fetchval(ended, pid):  # noqa: ASYNC110 - Postgres does not notify
            await asyncio.sleep(0.02)
    await other.close()


async def _query_after_idle_timeout(pool: asyncpg.Pool, database_url: str) -> None:
    async with transaction(pool) as connection:
        await _wait_for_end(database_url, await connection.fetchval("select pg_backend_pid()"))
        await _query(connection)


async def _query_after_termination(pool: asyncpg.Pool, database_url: str) -> None:
    async with transaction(pool) as connection:
        await _terminate_session(database_url, connection)
        await _query(connection)


async def test_an_idle_timeout_of_postgres_took_too_long(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connect._SESSION_SETTINGS, "idle_in_transaction_session_timeout", "1s")  # noqa: SLF001 - 10 s is too long for a test
    monkeypatch.setattr(connect, "_IDLE_SECONDS", 1)
    async with open_pool(database_url) as pool:
        with pytest.raises(OutageError) as outage:
            await _query_after_idle_timeout(pool, database_url)
    assert took_too_long(outage.value)


async def test_a_terminated_session_did_not_take_too_long(database_url: str) -> None:
    async with open_pool(database_url) as pool:
        with pytest.raises(OutageError) as outage:
            await _query_after_termination(pool, database_url)
    assert not took_too_long(outage.value)
