"""Accounts that appended cycles concern, kept until the lanes are told of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple

import asyncpg

from unenroll.store.connect import transaction
from unenroll.store.outage import postgres_errors
from unenroll.store.queries import QUERIES

_AT_ONCE = 1000


class Due(NamedTuple):
    """One account to be settled again, with at least this version of its group."""

    customer_id: int
    target_id: int
    group_id: int
    version: int
    due_at: datetime


async def due_again(pool: asyncpg.Pool, *, group: tuple[str, str], topic: str, topic_id: str) -> None:
    """Note all accounts that wait, if the topic was another one when the group read it: who was told there was not.

    `group`: its topic prefix and its id. Whoever was told is told again, and settled once. Raises OutageError.
    """
    with postgres_errors():
        await pool.execute(QUERIES["due_again"], *group, topic, topic_id)


@asynccontextmanager
async def taken_due(pool: asyncpg.Pool) -> AsyncIterator[list[Due]]:
    """At most 1,000 of them, forgotten when the block ends well. Raises OutageError, LaneLostError, SetupError."""
    async with transaction(pool) as connection:
        due = [Due(*row) for row in await connection.fetch(QUERIES["take_due"], _AT_ONCE)]
        yield due
        if due:
            columns = zip(*(one[:4] for one in due), strict=True)
            await connection.execute(QUERIES["done_due"], *(list(column) for column in columns))
