"""Open connections to Postgres, with time limits so that no session can block others for long."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from asyncpg.transaction import Transaction
from pydantic import SecretStr

from unenroll.errors import LaneLostError, OutageError, Server, SetupError, UnenrollError
from unenroll.postgres.errors import database_url_errors, postgres_errors
from unenroll.postgres.queries import QUERIES
from unenroll.secret_files import may_change

Connection = asyncpg.Connection | PoolConnectionProxy

TABLES_VERSION = "0001"
"""The migration that the statements of this program are written for."""

_REFUSALS = (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)
_CONNECTION_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
_CONNECT_SECONDS = 10.0
_COMMAND_SECONDS = 12.0
_IDLE_SECONDS = 10
_SESSION_SETTINGS = {
    "application_name": "unenroll",
    "lock_timeout": "9s",  # less than statement_timeout, so that Postgres reports the lock as the reason
    "statement_timeout": "10s",
    "idle_in_transaction_session_timeout": f"{_IDLE_SECONDS}s",
}


@asynccontextmanager
async def open_pool(database_url: SecretStr | str, *, connections: int = 4) -> AsyncIterator[asyncpg.Pool]:
    """Open a pool with at most this many connections, and close it at the end of the block.

    If a file holds the URL, each new connection reads the file again. Raises OutageError, SetupError and UsageError.
    """
    with postgres_errors(), database_url_errors():
        pool = await asyncpg.create_pool(
            connect=_Connect(database_url),
            min_size=1,
            max_size=connections,
            timeout=_CONNECT_SECONDS,
            command_timeout=_COMMAND_SECONDS,
            server_settings=_SESSION_SETTINGS,
            reset=_no_reset,
        )
    try:
        yield pool
    finally:
        pool.terminate()


@asynccontextmanager
async def transaction(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
    """Run the block in a transaction, and commit at its end.

    Raises OutageError, RefusedError or SetupError if nothing was committed, and LaneLostError if it is unknown whether
    Postgres has committed.
    """
    with postgres_errors():
        connection = await pool.acquire(timeout=_CONNECT_SECONDS)
        try:
            current = connection.transaction()
            start = monotonic()
            await current.start()
            try:
                yield connection
            except BaseException as error:
                if isinstance(error, TimeoutError):  # neither would a rollback be answered, nor the other connections
                    connection.terminate()
                    await pool.expire_connections()
                with suppress(*_CONNECTION_ERRORS):  # report the first error, not that of the rollback
                    await current.rollback()
                if _is_idle_timeout(error, seconds=monotonic() - start):
                    raise asyncpg.IdleInTransactionSessionTimeoutError(
                        f"the worker computed for more than {_IDLE_SECONDS} s within a transaction"
                    ) from error
                raise
            await _commit(current)
        finally:
            with suppress(*_CONNECTION_ERRORS):  # report the first error; a commit stays valid
                await pool.release(connection)


@asynccontextmanager
async def snapshot(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
    """Run the block in a read-only transaction that reads all rows as of one moment. Raises OutageError, SetupError."""
    with postgres_errors():
        async with (
            pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection


class _Connect:
    """Connects for the pool.

    If Postgres accepted the user and password before and now refuses those from a file, somebody is rotating them:
    this is an outage, since the file may change again.
    """

    def __init__(self, database_url: SecretStr | str) -> None:
        self._url = database_url
        self._was_accepted = False

    async def __call__(self, *_: object, **more: Any) -> asyncpg.Connection:  # noqa: ANN401 - asyncpg's own arguments
        url = self._url if isinstance(self._url, str) else self._url.get_secret_value()
        try:
            connection: asyncpg.Connection = await asyncpg.connect(url, **more)
        except _REFUSALS as error:
            if self._was_accepted and not isinstance(self._url, str) and may_change(self._url):
                text = f"Postgres refuses the user or password in the file of the database URL: {error}"
                raise OutageError(text, server=Server.POSTGRES) from error
            raise
        self._was_accepted = True
        return connection


async def _no_reset(connection: Connection) -> None:
    """Skip the reset of the session. Our settings end with their transaction, and a reset costs a round trip."""


def _is_idle_timeout(error: BaseException, *, seconds: float) -> bool:
    """Whether Postgres ended the session while it was idle. asyncpg reports only that the connection is closed."""
    closed = isinstance(error, asyncpg.InterfaceError) and not isinstance(error, ValueError)
    return closed and seconds >= _IDLE_SECONDS


async def _commit(current: Transaction) -> None:
    try:
        await current.commit()
    except asyncpg.TransactionRollbackError:
        raise
    except _CONNECTION_ERRORS as error:
        raise LaneLostError("Postgres did not answer to a COMMIT: it is unknown whether it has committed") from error


async def ping(pool: asyncpg.Pool) -> None:
    """Return if Postgres answers. Raises OutageError and SetupError."""
    with postgres_errors():
        await pool.fetchval(QUERIES["ping"])


async def check_tables(pool: asyncpg.Pool) -> None:
    """Raise SetupError unless this program works with the version of the tables. Raises OutageError."""
    with postgres_errors():
        try:
            found = await pool.fetchval(QUERIES["tables_version"])
        except asyncpg.UndefinedTableError:
            raise SetupError("the database has no tables of Unenroll; run `unenroll migrate`") from None
        if found < TABLES_VERSION:
            raise SetupError(f"the tables are at version {found}, not {TABLES_VERSION}; run `unenroll migrate`")
        if found > TABLES_VERSION and await pool.fetchval(QUERIES["oldest_program"]) > TABLES_VERSION:
            raise SetupError(f"the tables are at version {found}, which needs a newer program; install a newer one")


@asynccontextmanager
async def advisory_lock(pool: asyncpg.Pool, name: str, *, busy: str) -> AsyncIterator[None]:
    """Hold the advisory lock with this name while the block runs.

    Raises UnenrollError with the text `busy` if another session has the lock, and OutageError. Postgres releases the
    lock of a process that dies.
    """
    with postgres_errors():
        connection = await pool.acquire()
    try:
        with postgres_errors():
            locked = await connection.fetchval(QUERIES["try_advisory_lock"], name)
        if not locked:
            raise UnenrollError(busy)
        yield
    finally:
        with suppress(asyncpg.InterfaceError):  # Postgres has closed the connection
            connection.terminate()  # this releases the lock
        await pool.release(connection)
