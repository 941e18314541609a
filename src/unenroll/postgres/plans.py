"""What plans ask of the database, and its word on what became of them. Nothing is locked against the lanes."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

import asyncpg

from unenroll.core.events import AccountKey, EventKey
from unenroll.core.outcomes import Outcome
from unenroll.postgres.accounts import KnownAccount, see_accounts
from unenroll.postgres.erasure import Until, erased_seen
from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.history import DECISIONS
from unenroll.postgres.ledger import EventContent, known_events
from unenroll.postgres.outbox import unpack
from unenroll.postgres.pool import advisory_lock, snapshot
from unenroll.postgres.queries import QUERIES
from unenroll.wire.topics import Message

_BATCHES_AT_ONCE = 4


class AccountSnapshot(NamedTuple):
    """Accounts as they are, what the ledger has of events, and who of their customers was erased, as of one moment."""

    accounts: dict[AccountKey, KnownAccount]
    known: dict[EventKey, EventContent]
    erased: Until


class DecidedRequest(NamedTuple):
    """What the ledger says of a request. `decision` is its number on the account, None if it left no fact."""

    outcome: Outcome
    decision: int | None
    lane_id: int
    sequence: int


async def database_identity(pool: asyncpg.Pool) -> str:
    """Which database it is, the same for ever and unlike that of any other. Raises OutageError and SetupError."""
    with postgres_errors():
        found: str = await pool.fetchval(QUERIES["database_identity"])
    return found


async def account_snapshot(
    pool: asyncpg.Pool, *, accounts: Collection[AccountKey], events: Sequence[EventKey]
) -> AccountSnapshot:
    """Those of the accounts and events that are known now. Raises OutageError and SetupError."""
    async with snapshot(pool) as connection:
        return AccountSnapshot(
            await see_accounts(connection, accounts),
            await known_events(connection, events),
            await erased_seen(connection, (key.customer_id for key in events)),
        )


async def group_versions(pool: asyncpg.Pool, group_ids: Collection[int]) -> Mapping[int, int]:
    """The version of each of the groups that is in force now. Raises OutageError and SetupError."""
    with postgres_errors():
        rows = await pool.fetch(QUERIES["group_versions"], sorted(group_ids))
    return {row["group_id"]: row["version"] for row in rows}


async def check_not_read(pool: asyncpg.Pool, topic_id: str) -> bool:
    """Whether lanes of this database read, but not this topic. Raises OutageError and SetupError."""
    with postgres_errors():
        found: bool = await pool.fetchval(QUERIES["nobody_reads"], topic_id)
    return found


def only_apply(pool: asyncpg.Pool, plan: str) -> AbstractAsyncContextManager[None]:
    """While the block runs, nobody else applies the plan with this hash. Raises UnenrollError if somebody does."""
    busy = "the plan is being applied by somebody else now; wait until that is done"
    return advisory_lock(pool, f"plan {plan}", otherwise=busy)


async def decided_requests(pool: asyncpg.Pool, keys: Sequence[EventKey]) -> dict[EventKey, DecidedRequest]:
    """What was decided of those of the requests that lanes have read. Raises OutageError and SetupError."""
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


async def published_with(pool: asyncpg.Pool, decided: Collection[DecidedRequest]) -> AsyncIterator[Message]:
    """What the batches publish in which these were decided, as far as it is still kept. Raises OutageError."""
    places = [decided_request[-2:] for decided_request in decided]
    lanes, sequences = [lane for lane, _ in places], [sequence for _, sequence in places]
    async with snapshot(pool) as connection:
        query = QUERIES["publications_of"]
        async for row in connection.cursor(query, lanes, sequences, prefetch=_BATCHES_AT_ONCE):
            for message in unpack(row["outputs"]):
                if message.topic in DECISIONS:
                    yield message
