"""What only one session of a database may do at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from unenroll.errors import UnenrollError
from unenroll.store.outage import postgres_errors
from unenroll.store.queries import QUERIES


@asynccontextmanager
async def only_one(pool: asyncpg.Pool, doing: str, *, otherwise: str) -> AsyncIterator[None]:
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
