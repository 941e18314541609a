"""Read what a plan needs, and the decisions about its requests, without locks that block lanes."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

import asyncpg

from unenroll.core.events import AccountKey, EventKey
from unenroll.core.outcomes import Outcome
from unenroll.postgres.accounts import KnownAccount, read_accounts
from unenroll.postgres.erasure import ErasedUntil, read_erasures
from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.history import DECISION_TOPICS
from unenroll.postgres.ledger import EventContent, known_events
from unenroll.postgres.outbox import unpack
from unenroll.postgres.pool import advisory_lock, snapshot
from unenroll.postgres.queries import QUERIES
from unenroll.wire.topics import Message

_BATCHES_AT_ONCE = 4


class AccountSnapshot(NamedTuple):
    """Accounts, the contents of events that the ledger has, and the erased customers, as of one moment."""

    accounts: dict[AccountKey, KnownAccount]
    events: dict[EventKey, EventContent]
    erased_until: ErasedUntil


class DecidedRequest(NamedTuple):
    """The decision about a request.

    `decision` is its number among the decisions on the account, None if the request left no fact.
    """

    outcome: Outcome
    decision: int | None
    lane_id: int
    sequence: int


async def database_identity(pool: asyncpg.Pool) -> str:
    """Return a text that identifies the database for ever. Raises OutageError and SetupError."""
    with postgres_errors():
        found: str = await pool.fetchval(QUERIES["database_identity"])
    return found


async def account_snapshot(
    pool: asyncpg.Pool, *, accounts: Collection[AccountKey], events: Sequence[EventKey]
) -> AccountSnapshot:
    """Return those of the accounts and events that exist now. Raises OutageError and SetupError."""
    async with snapshot(pool) as connection:
        return AccountSnapshot(
            await read_accounts(connection, accounts),
            await known_events(connection, events),
            await read_erasures(connection, (key.customer_id for key in events)),
        )


async def group_versions(pool: asyncpg.Pool, group_ids: Collection[int]) -> Mapping[int, int]:
    """Return the current version of each of the groups. Raises OutageError and SetupError."""
    with postgres_errors():
        rows = await pool.fetch(QUERIES["group_versions"], sorted(group_ids))
    return {row["group_id"]: row["version"] for row in rows}


async def reads_other_topics(pool: asyncpg.Pool, topic_id: str) -> bool:
    """Return whether lanes of this database read topics, but not this one. Raises OutageError and SetupError."""
    with postgres_errors():
        found: bool = await pool.fetchval(QUERIES["reads_other_topics"], topic_id)
    return found


def apply_lock(pool: asyncpg.Pool, plan_hash: str) -> AbstractAsyncContextManager[None]:
    """Allow only one process to apply the plan with this hash. Raises UnenrollError if another one applies it."""
    busy = "another process is applying this plan: wait until it ends, then try again"
    return advisory_lock(pool, f"plan {plan_hash}", busy=busy)


async def decided_requests(pool: asyncpg.Pool, keys: Sequence[EventKey]) -> dict[EventKey, DecidedRequest]:
    """Return the decisions about those of the requests that lanes have decided. Raises OutageError and SetupError."""
    with postgres_errors():
        rows = await pool.fetch(
            QUERIES["decided_requests"], [key.customer_id for key in keys], [key.event_key for key in keys]
        )
    return {
        EventKey(row["customer_id"], str(row["event_key"])): DecidedRequest(
            Outcome(row["outcome"]), row["decision"], row["lane_id"], row["sequence"]
        )
        for row in rows
    }


async def batch_messages(pool: asyncpg.Pool, requests: Collection[DecidedRequest]) -> AsyncIterator[Message]:
    """Yield the messages of the batches that decided these requests, unless they were pruned. Raises OutageError."""
    lanes, sequences = [request.lane_id for request in requests], [request.sequence for request in requests]
    async with snapshot(pool) as connection:
        query = QUERIES["publications_of_decisions"]
        async for row in connection.cursor(query, lanes, sequences, prefetch=_BATCHES_AT_ONCE):
            for message in unpack(row["outputs"]):
                if message.topic in DECISION_TOPICS:
                    yield message
