"""Every error of asyncpg is translated to a class that says whether a retry can help."""

import asyncpg
import pytest

from unenroll.errors import LaneLostError, OutageError, OvertakenError, RefusedError, SetupError, UnenrollError
from unenroll.postgres.errors import postgres_errors


def translate(error: BaseException) -> UnenrollError:
    with pytest.raises(UnenrollError) as caught, postgres_errors():
        raise error
    return caught.value


def every_postgres_error() -> list[type[asyncpg.PostgresError]]:
    found, left = [], [asyncpg.PostgresError]
    while left:
        kind = left.pop()
        found.append(kind)
        left.extend(kind.__subclasses__())
    return found


@pytest.mark.parametrize("kind", every_postgres_error(), ids=lambda kind: kind.__name__)
def test_every_error_of_postgres_is_translated(kind: type[asyncpg.PostgresError]) -> None:
    error = translate(kind("something happened"))
    assert isinstance(error, OutageError | RefusedError | SetupError)
    assert "something happened" in str(error)


@pytest.mark.parametrize(
    ("error", "translated"),
    [
        (asyncpg.SerializationError("could not serialize"), OutageError),
        (asyncpg.DeadlockDetectedError("deadlock"), OutageError),
        (asyncpg.ConnectionDoesNotExistError("gone"), OutageError),
        (asyncpg.CannotConnectNowError("starting up"), OutageError),
        (asyncpg.AdminShutdownError("shutting down"), OutageError),
        (asyncpg.DiskFullError("no space left"), OutageError),
        (asyncpg.TooManyConnectionsError("too many"), OutageError),
        (asyncpg.LockNotAvailableError("lock timeout"), OutageError),
        (asyncpg.QueryCanceledError("statement timeout"), OutageError),
        (asyncpg.ReadOnlySQLTransactionError("read only"), OutageError),
        (asyncpg.UniqueViolationError("another lane"), OvertakenError),
        (asyncpg.InvalidCachedStatementError("the tables were upgraded"), OutageError),
        (asyncpg.InterfaceError("connection is closed"), OutageError),
        (ConnectionRefusedError("refused"), OutageError),
        (TimeoutError(), OutageError),
        (asyncpg.CheckViolationError("unlucky"), RefusedError),
        (asyncpg.NumericValueOutOfRangeError("too big"), RefusedError),
        (asyncpg.CharacterNotInRepertoireError("NUL"), RefusedError),
        (asyncpg.UndefinedTableError("no table"), SetupError),
        (asyncpg.InsufficientPrivilegeError("no right"), SetupError),
        (asyncpg.InvalidPasswordError("no entry"), SetupError),
        (asyncpg.InvalidCatalogNameError("no database"), SetupError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_the_class_says_whether_a_retry_can_help(error: Exception, translated: type[UnenrollError]) -> None:
    assert type(translate(error)) is translated


def test_errors_of_unenroll_pass_unchanged() -> None:
    lost = LaneLostError("unknown")
    assert translate(lost) is lost


def test_a_wrong_call_of_asyncpg_is_not_an_outage() -> None:
    with pytest.raises(asyncpg.InterfaceError), postgres_errors():
        raise asyncpg.InterfaceError("the server expects 2 arguments for this query, 0 were passed")
