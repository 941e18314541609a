"""What the HTTP API keeps of a call before it publishes, and what it learns of it afterwards."""

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

_AT_ONCE = 500
_FIRST_ID = UUID(int=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptRequest:
    """A call as it came: all that its event is made of. `event_type` is the event's name, `data` its JSON text.

    `event_key` is the UUIDv5 by which the ledger knows the event.
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
    """By what the ledger knows an event, and by what it would be known as a dead letter.

    `happened` is the earliest instant that it tells of: an erasure after that lets it go.
    """

    customer_id: int
    event_key: str
    topic: str
    digest: bytes
    happened: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class EventResult:
    """What became of an event that is done: it was decided, or it is a dead letter. `outcome` None: it is a fact.

    `erased_until`: nobody decides it, because what happened to the customer up to then was erased.
    """

    outcome: Outcome | None = None
    dead: DeadLetter | None = None
    erased_until: datetime | None = None


async def keep_request(
    pool: asyncpg.Pool, request: KeptRequest, *, happened: datetime
) -> KeptRequest | EventResult | None:
    """Keep the request. Returns the one that was kept under its id before, if any. Raises OutageError and SetupError.

    Returns the fate of the request, and keeps nothing, where its customer was erased after it `happened`.

    Two statements: what somebody else keeps meanwhile is invisible to the one that waited for it.
    """
    with postgres_errors():
        row = await pool.fetchrow(
            QUERIES["keep_request"],
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
    return None if row["kept"] else await kept_request(pool, request.request_id)


async def kept_request(pool: asyncpg.Pool, request_id: str) -> KeptRequest | None:
    """The request with this id, a UUID. Raises OutageError and SetupError."""
    with postgres_errors():
        row = await pool.fetchrow(QUERIES["kept_request"], request_id)
    if row is None:
        return None
    return _kept(row)


async def undecided_requests(pool: asyncpg.Pool, *, before: datetime) -> AsyncIterator[list[KeptRequest]]:
    """Requests from before of which the ledger knows nothing, some at a time. Raises OutageError and SetupError."""
    last = _FIRST_ID
    while True:
        with postgres_errors():
            rows = await pool.fetch(QUERIES["undecided_requests"], last, before, _AT_ONCE)
        if not rows:
            return
        yield [_kept(row) for row in rows]
        last = rows[-1]["request_id"]


async def keep_answer(pool: asyncpg.Pool, request_id: str, outcome: EnrollmentOutcome) -> EnrollmentOutcome:
    """Keep what an enrollment is answered. Returns what it was answered first. Raises OutageError and SetupError."""
    with postgres_errors():
        return EnrollmentOutcome(await pool.fetchval(QUERIES["keep_answer"], request_id, outcome.value) or outcome)


async def event_results(pool: asyncpg.Pool, sought: Sequence[LedgerLookup]) -> dict[LedgerLookup, EventResult]:
    """What became of those of the events that are done, asked in one statement. Raises OutageError and SetupError."""
    columns = zip(*sought, strict=True)
    with postgres_errors():
        rows = await pool.fetch(QUERIES["fates_of"], *(list(column) for column in columns))
    return {sought[row["place"] - 1]: _fate(row) for row in rows}


def _kept(row: asyncpg.Record) -> KeptRequest:
    return KeptRequest(**{**row, "request_id": str(row["request_id"]), "event_key": str(row["event_key"])})


def _fate(row: asyncpg.Record) -> EventResult:
    if row["reason"] is not None:
        return EventResult(dead=DeadLetter(reason=row["reason"], detail=row["detail"]))
    if row["erased_until"] is not None:
        return EventResult(erased_until=row["erased_until"])
    return EventResult(outcome=None if row["outcome"] is None else Outcome(row["outcome"]))
