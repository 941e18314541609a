"""asyncpg's errors in our words, by SQLSTATE class: the only place that knows them."""

from collections.abc import Iterator
from contextlib import contextmanager
from ssl import SSLCertVerificationError

import asyncpg

from unenroll.errors import OutageError, OvertakenError, RefusedError, Server, SetupError, UnenrollError, UsageError

_NEEDS_A_PERSON = {
    "0A": "does not support what we ask",
    "28": "refuses our user or password",
    "3D": "has no such database",
    "3F": "has no such schema",
    "42": "lacks a table or a right; run `unenroll migrate`, and grant the worker its rights",
}
_BLAMES_THE_RECORDS = {"22", "23"}
_ENDED = ("closed", "released back to the pool", "another operation is in progress")
"""What asyncpg says of a connection that the server ended while we asked nothing, in the words of each place."""

_CONFLICT = {"23505"}  # two lanes met at one event: the second one looks again


@contextmanager
def postgres_errors() -> Iterator[None]:
    """Turn what asyncpg and the network raise into OutageError, SetupError or RefusedError."""
    try:
        yield
    except UnenrollError:
        raise
    except asyncpg.PostgresError as error:
        raise _in_our_words(error) from error
    except asyncpg.InterfaceError as error:
        if isinstance(error, ValueError):  # a value that its column cannot hold
            raise RefusedError(f"Postgres cannot hold the data: {_brief(error)}") from error
        if not any(words in str(error) for words in _ENDED):
            raise  # we called the client wrongly: waiting cannot help
        raise OutageError(f"Postgres does not answer: {_brief(error)}", server=Server.POSTGRES) from error
    except (asyncpg.InternalClientError, OSError, TimeoutError, EOFError) as error:
        raise OutageError(_away(error), server=Server.POSTGRES) from error


def blocked(outage: OutageError) -> bool:
    """Whether Postgres answers, and gave up on a statement that waited for too long."""
    return isinstance(outage.__cause__, asyncpg.LockNotAvailableError | asyncpg.QueryCanceledError)


def took_too_long(outage: OutageError) -> bool:
    """Whether Postgres cut the transaction for the time that it took: a shorter one may come through."""
    return isinstance(outage.__cause__, asyncpg.QueryCanceledError | asyncpg.IdleInTransactionSessionTimeoutError)


@contextmanager
def classify() -> Iterator[None]:
    """Turn what asyncpg says of a database URL that it cannot read into UsageError, which never repeats the URL."""
    try:
        yield
    except asyncpg.ClientConfigurationError as error:
        raise UsageError(f"UNENROLL_DATABASE_URL: {_brief(error)}") from None
    except SSLCertVerificationError:  # a ValueError as well, and it says more
        raise
    except ValueError:  # its text is a piece of the URL, perhaps of the password
        raise UsageError(
            "UNENROLL_DATABASE_URL: must be postgresql://user:password@host:port/name, "
            "with special characters of user and password percent-encoded"
        ) from None


def _in_our_words(error: asyncpg.PostgresError) -> UnenrollError:
    state = error.sqlstate or "XX000"
    if isinstance(
        error, asyncpg.InvalidCachedStatementError
    ):  # the tables were upgraded meanwhile: asked anew, it works
        return OutageError(f"Postgres asks to try again ({state}): {_brief(error)}", server=Server.POSTGRES)
    if state in _CONFLICT:
        return OvertakenError(f"Postgres: another lane was faster: {_brief(error)}", server=Server.POSTGRES)
    if state[:2] in _BLAMES_THE_RECORDS:
        return RefusedError(f"Postgres refuses the data: {_brief(error)}")
    if state[:2] in _NEEDS_A_PERSON and state != "42P07":
        return SetupError(f"Postgres {_NEEDS_A_PERSON[state[:2]]}: {_brief(error)}")
    return OutageError(f"Postgres asks to try again ({state}): {_brief(error)}", server=Server.POSTGRES)


def _away(error: BaseException) -> str:
    if isinstance(error, SSLCertVerificationError):
        return f"the certificate of Postgres is not to be trusted: {error.verify_message}"
    if isinstance(error, FileNotFoundError):
        return "Postgres: its URL names a certificate, a key or a socket that is not there"
    return f"Postgres does not answer: {_brief(error)}"


def _brief(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
