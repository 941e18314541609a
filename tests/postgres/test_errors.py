"""Whatever asyncpg raises is said in our words, and tells whether a retry can help."""

import asyncpg
import pytest

from unenroll.errors import LaneLostError, OutageError, OvertakenError, RefusedError, SetupError, UnenrollError
from unenroll.postgres.errors import postgres_errors


def in_our_words(error: BaseException) -> UnenrollError:
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
def test_every_error_of_postgres_has_a_class_of_ours(kind: type[asyncpg.PostgresError]) -> None:
    error = in_our_words(kind("something happened"))
    assert isinstance(error, OutageError | RefusedError | SetupError)
    assert "something happened" in str(error)


@pytest.mark.parametrize(
    ("error", "ours"),
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
def test_an_error_tells_whether_a_retry_can_help(error: Exception, ours: type[UnenrollError]) -> None:
    assert type(in_our_words(error)) is ours


def test_our_own_errors_pass_as_they_are() -> None:
    lost = LaneLostError("unknown")
    assert in_our_words(lost) is lost


def test_calling_the_client_wrongly_is_no_outage() -> None:
    with pytest.raises(asyncpg.InterfaceError), postgres_errors():
        raise asyncpg.InterfaceError("the server expects 2 arguments for this query, 0 were passed")
