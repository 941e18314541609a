"""Translate the errors of asyncpg, by SQLSTATE class, into those of `unenroll.errors`. No other module does."""

from collections.abc import Iterator
from contextlib import contextmanager
from ssl import SSLCertVerificationError

import asyncpg

from unenroll.errors import OutageError, OvertakenError, RefusedError, Server, SetupError, UnenrollError, UsageError

_SETUP_CLASSES = {
    "0A": "does not support a feature that Unenroll needs",
    "28": "refuses the user or password in UNENROLL_DATABASE_URL",
    "3D": "has no database with this name",
    "3F": "has no schema with this name",
    "42": "lacks a table or a right; run `unenroll migrate`, and grant the worker its rights",
}
_DATA_CLASSES = {"22", "23"}
_CLOSED = ("closed", "released back to the pool", "another operation is in progress")
"""Parts of what asyncpg raises if Postgres has closed a connection while it was idle."""

_CONFLICT = {"23505"}  # two lanes insert the same row: the second one has to read again


@contextmanager
def postgres_errors() -> Iterator[None]:
    """Turn the errors of asyncpg and of the network into OutageError, SetupError or RefusedError."""
    try:
        yield
    except UnenrollError:
        raise
    except asyncpg.PostgresError as error:
        raise _translate(error) from error
    except asyncpg.InterfaceError as error:
        if isinstance(error, ValueError):  # a column cannot hold the value
            raise RefusedError(f"Postgres cannot store the data: {_first_line(error)}") from error
        if not any(part in str(error) for part in _CLOSED):
            raise  # the program uses asyncpg wrongly, so a retry cannot help
        raise OutageError(f"Postgres does not answer: {_first_line(error)}", server=Server.POSTGRES) from error
    except (asyncpg.InternalClientError, OSError, TimeoutError, EOFError) as error:
        raise OutageError(_outage_text(error), server=Server.POSTGRES) from error


def is_blocked(outage: OutageError) -> bool:
    """Return whether Postgres answers, but canceled a statement that waited too long."""
    return isinstance(outage.__cause__, asyncpg.LockNotAvailableError | asyncpg.QueryCanceledError)


def took_too_long(outage: OutageError) -> bool:
    """Return whether Postgres canceled a transaction that took too long. A shorter transaction may succeed."""
    return isinstance(outage.__cause__, asyncpg.QueryCanceledError | asyncpg.IdleInTransactionSessionTimeoutError)


@contextmanager
def database_url_errors() -> Iterator[None]:
    """Turn the errors of asyncpg about an invalid database URL into UsageError. Its text never repeats the URL."""
    try:
        yield
    except asyncpg.ClientConfigurationError as error:
        raise UsageError(f"UNENROLL_DATABASE_URL: {_first_line(error)}") from None
    except SSLCertVerificationError:  # this is a ValueError too, and it says more
        raise
    except ValueError:  # its text is a part of the URL, perhaps of the password
        raise UsageError(
            "UNENROLL_DATABASE_URL: must be postgresql://user:password@host:port/name, "
            "with special characters of user and password percent-encoded"
        ) from None


def _translate(error: asyncpg.PostgresError) -> UnenrollError:
    state = error.sqlstate or "XX000"
    if state in _CONFLICT:
        return OvertakenError(f"Postgres: another lane was faster: {_first_line(error)}", server=Server.POSTGRES)
    if state[:2] in _DATA_CLASSES:
        return RefusedError(f"Postgres refuses the data: {_first_line(error)}")
    # A retry helps if a migration has invalidated a prepared statement, or if another process creates the same tables.
    may_retry = isinstance(error, asyncpg.InvalidCachedStatementError) or state == "42P07"
    if state[:2] in _SETUP_CLASSES and not may_retry:
        return SetupError(f"Postgres {_SETUP_CLASSES[state[:2]]}: {_first_line(error)}")
    return OutageError(f"Postgres asks for a retry ({state}): {_first_line(error)}", server=Server.POSTGRES)


def _outage_text(error: BaseException) -> str:
    if isinstance(error, SSLCertVerificationError):
        return f"the certificate of Postgres is not trusted: {error.verify_message}"
    if isinstance(error, FileNotFoundError):
        return "Postgres: UNENROLL_DATABASE_URL names a certificate, key or socket that does not exist"
    return f"Postgres does not answer: {_first_line(error)}"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
