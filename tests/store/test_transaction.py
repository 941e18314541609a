"""A transaction says whether nothing happened, or whether nobody knows."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from stage.wire_cutter import cutting
from unenroll.errors import LaneLostError, OutageError, RefusedError
from unenroll.store.connect import Connection, connected, transaction


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
