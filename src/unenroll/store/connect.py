"""Connections to Postgres: none of them can hold up others for longer than some seconds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from asyncpg.transaction import Transaction

from unenroll.errors import LaneLostError, SetupError
from unenroll.store.outage import translated, understood
from unenroll.store.queries import QUERIES

Connection = asyncpg.Connection | PoolConnectionProxy

TABLES_VERSION = "0009"
"""The step of the history that the statements of this program are written for."""

_TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 15.0
_LIMITS = {
    "application_name": "unenroll",
    "lock_timeout": "10s",
    "statement_timeout": "10s",
    "idle_in_transaction_session_timeout": "10s",
}


@asynccontextmanager
async def connected(database_url: str, *, connections: int = 4) -> AsyncIterator[asyncpg.Pool]:
    """A pool of at most so many connections, closed at the end. Raises OutageError, SetupError and UsageError."""
    with translated(), understood():
        pool = await asyncpg.create_pool(
            database_url,
            min_size=1,
            max_size=connections,
            timeout=_CONNECT_SECONDS,
            command_timeout=_ANSWER_SECONDS,
            server_settings=_LIMITS,
            reset=_left_as_it_was,
        )
    try:
        yield pool
    finally:
        pool.terminate()


@asynccontextmanager
async def transaction(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
    """A transaction that ends with the block. Raises OutageError, RefusedError and SetupError: nothing happened.

    Raises LaneLostError where it is unknown whether the COMMIT happened.
    """
    with translated():
        connection = await pool.acquire(timeout=_CONNECT_SECONDS)
        try:
            current = connection.transaction()
            await current.start()
            try:
                yield connection
            except BaseException:
                with suppress(*_TROUBLE):  # the first error counts
                    await current.rollback()
                raise
            await _commit(current)
        finally:
            with suppress(*_TROUBLE):  # the same, and what was committed stays committed
                await pool.release(connection)


@asynccontextmanager
async def one_moment(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
    """A connection on which all is read as of one moment, and nothing written. Raises OutageError and SetupError."""
    with translated():
        async with (
            pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection


async def _left_as_it_was(connection: Connection) -> None:
    """Nothing to reset: what we do to a session ends with its transaction. To ask for it would cost a round trip."""


async def _commit(current: Transaction) -> None:
    try:
        await current.commit()
    except asyncpg.TransactionRollbackError:
        raise
    except _TROUBLE as error:
        raise LaneLostError("Postgres did not answer to a COMMIT, so it is unknown whether it happened") from error


async def check_tables(pool: asyncpg.Pool) -> None:
    """Raise SetupError unless the tables are those that this program works with, or newer ones that allow for it."""
    with translated():
        try:
            found = await pool.fetchval(QUERIES["tables_version"])
        except asyncpg.UndefinedTableError:
            raise SetupError("the database has no tables of ours; run `unenroll migrate`") from None
    if found < TABLES_VERSION:
        raise SetupError(f"the tables are at version {found}, not {TABLES_VERSION}; run `unenroll migrate`")
    if found > TABLES_VERSION and await _oldest(pool) > TABLES_VERSION:
        raise SetupError(f"the tables are at version {found}, newer than this program; install a newer one")


async def _oldest(pool: asyncpg.Pool) -> str:
    """The oldest program that the tables work with."""
    with translated():
        found: str = await pool.fetchval(QUERIES["oldest_program"])
    return found
