"""Connections to Postgres: none of them can hold up others for longer than some seconds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from asyncpg.transaction import Transaction
from pydantic import SecretStr

from unenroll.errors import LaneLostError, OutageError, Server, SetupError, UnenrollError
from unenroll.postgres.errors import classify, postgres_errors
from unenroll.postgres.queries import QUERIES
from unenroll.secret_files import may_change

Connection = asyncpg.Connection | PoolConnectionProxy

TABLES_VERSION = "0001"
"""The step of the history that the statements of this program are written for."""

_REFUSED = (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)
_TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 15.0
_IDLE_SECONDS = 10
_LIMITS = {
    "application_name": "unenroll",
    "lock_timeout": "9s",  # less than a statement's, so that who waits for a lock is told so
    "statement_timeout": "10s",
    "idle_in_transaction_session_timeout": f"{_IDLE_SECONDS}s",
}


@asynccontextmanager
async def connected(database_url: SecretStr | str, *, connections: int = 4) -> AsyncIterator[asyncpg.Pool]:
    """A pool of at most so many connections, closed at the end. Raises OutageError, SetupError and UsageError.

    A URL that stands in a file is read anew for each connection.
    """
    with postgres_errors(), classify():
        pool = await asyncpg.create_pool(
            connect=_Connect(database_url),
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
    with postgres_errors():
        connection = await pool.acquire(timeout=_CONNECT_SECONDS)
        try:
            current = connection.transaction()
            began = monotonic()
            await current.start()
            try:
                yield connection
            except BaseException as error:
                with suppress(*_TROUBLE):  # the first error counts
                    await current.rollback()
                if _was_idle(error, seconds=monotonic() - began):
                    raise asyncpg.IdleInTransactionSessionTimeoutError("we computed for too long") from error
                raise
            await _commit(current)
        finally:
            with suppress(*_TROUBLE):  # the same, and what was committed stays committed
                await pool.release(connection)


@asynccontextmanager
async def snapshot(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
    """A connection on which all is read as of one moment, and nothing written. Raises OutageError and SetupError."""
    with postgres_errors():
        async with (
            pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection


class _Connect:
    """How a pool connects. Once it was let in, a URL from a file that is refused is one that is just being changed."""

    def __init__(self, database_url: SecretStr | str) -> None:
        self._url = database_url
        self._was_let_in = False

    async def __call__(self, *_: object, **more: Any) -> asyncpg.Connection:  # noqa: ANN401 - asyncpg's own arguments
        url = self._url if isinstance(self._url, str) else self._url.get_secret_value()
        try:
            connection: asyncpg.Connection = await asyncpg.connect(url, **more)
        except _REFUSED as error:
            if self._was_let_in and not isinstance(self._url, str) and may_change(self._url):
                said = f"Postgres refuses the user or password that the file holds now: {error}"
                raise OutageError(said, server=Server.POSTGRES) from error
            raise
        self._was_let_in = True
        return connection


async def _left_as_it_was(connection: Connection) -> None:
    """Nothing to reset: what we do to a session ends with its transaction. To ask for it would cost a round trip."""


def _was_idle(error: BaseException, *, seconds: float) -> bool:
    """Whether Postgres ended the session between two statements. asyncpg only says that the connection is gone."""
    gone = isinstance(error, asyncpg.InterfaceError) and not isinstance(error, ValueError)
    return gone and seconds >= _IDLE_SECONDS


async def _commit(current: Transaction) -> None:
    try:
        await current.commit()
    except asyncpg.TransactionRollbackError:
        raise
    except _TROUBLE as error:
        raise LaneLostError("Postgres did not answer to a COMMIT, so it is unknown whether it happened") from error


async def ping(pool: asyncpg.Pool) -> None:
    """Return if Postgres answers, else raise OutageError or SetupError."""
    with postgres_errors():
        await pool.fetchval(QUERIES["ping"])


async def check_tables(pool: asyncpg.Pool) -> None:
    """Raise SetupError unless the tables are those that this program works with, or newer ones that allow for it."""
    with postgres_errors():
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
    with postgres_errors():
        found: str = await pool.fetchval(QUERIES["oldest_program"])
    return found


@asynccontextmanager
async def advisory_lock(pool: asyncpg.Pool, doing: str, *, otherwise: str) -> AsyncIterator[None]:
    """While the block runs, nobody else does this. Raises UnenrollError(`otherwise`) if somebody does, OutageError.

    The lock is the connection's: it goes with a process that dies.
    """
    with postgres_errors():
        connection = await pool.acquire()
    try:
        with postgres_errors():
            free = await connection.fetchval(QUERIES["only_one"], doing)
        if not free:
            raise UnenrollError(otherwise)
        yield
    finally:
        with suppress(asyncpg.InterfaceError):  # it was ended by the server
            connection.terminate()  # which lets go of the lock
        await pool.release(connection)
