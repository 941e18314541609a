"""Store the requests of the HTTP API before they are published, and read their results from the ledger."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from unenroll.core.outcomes import EnrollmentOutcome, Outcome
from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.queries import QUERIES
from unenroll.wire.reasons import DeadLetter

_PAGE_SIZE = 500
_FIRST_ID, _LAST_ID = UUID(int=0), UUID(int=2**128 - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredRequest:
    """A stored request, with everything that its event is made of.

    `event_type` is the name of the event, `data` its JSON text, and `event_key` its UUIDv5 in the ledger.
    """

    request_id: str
    caller: str
    event_type: str
    fingerprint: bytes
    customer_id: int
    target_id: int
    event_key: str
    event_time: datetime
    traceparent: str | None
    data: str


class LedgerLookup(NamedTuple):
    """The keys of an event in the ledger and in the table of dead letters.

    `happened` is the earliest time in the event: a later erasure of the customer means that it is never decided.
    """

    customer_id: int
    event_key: str
    topic: str
    digest: bytes
    happened: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class EventResult:
    """The result of an event: an outcome, a dead letter, or an erasure. All three are None for a decided fact.

    If `erased_until` is set, the event is never decided, because the customer's data up to then was erased.
    """

    outcome: Outcome | None = None
    dead: DeadLetter | None = None
    erased_until: datetime | None = None


async def store_request(
    pool: asyncpg.Pool, request: StoredRequest, *, happened: datetime
) -> StoredRequest | EventResult | None:
    """Store the request, and return None. Raises OutageError and SetupError.

    If its id is stored already, return the stored request. If its customer was erased after it `happened`, store
    nothing and return the erasure as its result.

    It takes two statements: an insert that waits for another transaction cannot see the row which that one commits.
    """
    with postgres_errors():
        row = await pool.fetchrow(
            QUERIES["store_request"],
            request.request_id,
            request.caller,
            request.event_type,
            request.fingerprint,
            request.customer_id,
            request.target_id,
            request.event_key,
            request.event_time,
            request.traceparent,
            request.data,
            happened,
        )
    assert row is not None  # noqa: S101 - it selects without a table
    if row["erased_until"] is not None:
        return EventResult(erased_until=row["erased_until"])
    return None if row["is_new"] else await stored_request(pool, request.request_id)


async def stored_request(pool: asyncpg.Pool, request_id: str) -> StoredRequest | None:
    """Return the stored request with this id, a UUID, or None. Raises OutageError and SetupError."""
    with postgres_errors():
        row = await pool.fetchrow(QUERIES["stored_request"], request_id)
    return None if row is None else _stored(row)


async def undecided_requests(pool: asyncpg.Pool, *, before: datetime) -> AsyncIterator[list[StoredRequest]]:
    """Yield the requests stored `before` this time that the ledger lacks, page by page of all requests.

    Raises OutageError and SetupError.
    """
    first = _FIRST_ID
    while first != _LAST_ID:
        with postgres_errors():
            end = await pool.fetchval(QUERIES["request_page_end"], first, _PAGE_SIZE) or _LAST_ID
            rows = await pool.fetch(QUERIES["undecided_requests"], first, end, before)
        if rows:
            yield [_stored(row) for row in rows]
        first = end


async def store_answer(pool: asyncpg.Pool, request_id: str, outcome: EnrollmentOutcome) -> EnrollmentOutcome:
    """Store the answer to an enrollment unless one is stored, and return the stored one.

    Raises OutageError and SetupError.
    """
    with postgres_errors():
        return EnrollmentOutcome(await pool.fetchval(QUERIES["store_answer"], request_id, outcome.value) or outcome)


async def event_results(pool: asyncpg.Pool, lookups: Sequence[LedgerLookup]) -> dict[LedgerLookup, EventResult]:
    """Return the results of those of the events that have one, in one statement. Raises OutageError and SetupError."""
    columns = zip(*lookups, strict=True)
    with postgres_errors():
        rows = await pool.fetch(QUERIES["event_results"], *(list(column) for column in columns))
    return {lookups[row["place"] - 1]: _event_result(row) for row in rows}


def _stored(row: asyncpg.Record) -> StoredRequest:
    return StoredRequest(**{**row, "request_id": str(row["request_id"]), "event_key": str(row["event_key"])})


def _event_result(row: asyncpg.Record) -> EventResult:
    if row["reason"] is not None:
        return EventResult(dead=DeadLetter(reason=row["reason"], detail=row["detail"]))
    if row["erased_until"] is not None:
        return EventResult(erased_until=row["erased_until"])
    return EventResult(outcome=None if row["outcome"] is None else Outcome(row["outcome"]))
