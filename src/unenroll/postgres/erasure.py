"""Customers who were erased on request: nothing that happened to them before is kept again."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import asyncpg

from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.lanes import LaneKey
from unenroll.postgres.pool import Connection, transaction
from unenroll.postgres.queries import QUERIES
from unenroll.postgres.redrives import LetterKey

Until = Mapping[int, datetime]
"""By customer: what happened until then is not taken any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tombstone:
    """All that is kept of a customer who was erased, and when. What happened up to `until` is not taken any more."""

    customer_id: int
    erased_at: datetime
    until: datetime


async def erased_among(connection: Connection, customers: Iterable[int]) -> Until:
    """Which of the customers were erased. Nobody else is erased before the transaction ends."""
    return _until(await connection.fetch(QUERIES["erased_among"], sorted(set(customers))))


async def erased_seen(connection: Connection, customers: Iterable[int]) -> Until:
    """Which of the customers were erased up to now. Locks nothing."""
    return _until(await connection.fetch(QUERIES["erased_seen"], sorted(set(customers))))


async def tombstone(pool: asyncpg.Pool, customer_id: int) -> Tombstone | None:
    """When the customer was erased, if at all. Raises OutageError and SetupError."""
    with postgres_errors():
        row = await pool.fetchrow(QUERIES["erased_customer"], customer_id)
    return None if row is None else Tombstone(customer_id=customer_id, **row)


def is_before(until: Until, customer_id: int, happened: datetime) -> bool:
    """Whether the customer was erased after that."""
    return customer_id in until and happened <= until[customer_id]


def _until(rows: Iterable[asyncpg.Record]) -> Until:
    return {row["customer_id"]: row["until"] for row in rows}


AT_ONCE = ("accounts", "ledger", "api_requests")
"""The tables that are erased at the moment from which nothing old is taken any more."""

AFTERWARDS = ("api_requests", "settlements_due", "replays")
"""The tables where something may come in between, or is locked for long."""


class BatchKey(NamedTuple):
    """Which batch: the lane, and the number of its last decision."""

    lane_id: int
    last_sequence: int


class LetterPlace(NamedTuple):
    """A dead letter: who it is, and where its record was read, by which it is found if part of it is left out."""

    key: LetterKey
    partition: int
    offset: int
    reason: str


async def record_erasure(pool: asyncpg.Pool, customer_id: int) -> tuple[Tombstone, dict[str, int]]:
    """Erase what is decided by, and keep that it was: no batch goes on meanwhile, and none takes it later.

    Returns how many rows of each table went. Raises OutageError where batches in hand take too long: nothing happened.
    """
    async with transaction(pool) as connection:
        await connection.execute(QUERIES["erasing_waits_little"])
        await connection.execute(QUERIES["erase_alone"])
        ((erased_at, until),) = await connection.fetch(QUERIES["erase_customer"], customer_id)
        await note_batches(connection, customer_id)
        gone = await _each(connection, AT_ONCE, "erase", customer_id=customer_id)
    return Tombstone(customer_id=customer_id, erased_at=erased_at, until=until), gone


async def note_batches(connection: Connection, customer_id: int) -> None:
    """Keep which batches decided the customer's events, because the ledger is about to forget it."""
    batches = await connection.fetch(QUERIES["concerned_batches"], customer_id)
    columns = [row["lane_id"] for row in batches], [row["last_sequence"] for row in batches]
    await connection.execute(QUERIES["note_batches"], customer_id, *columns)


async def sweep(pool: asyncpg.Pool, customer_id: int) -> dict[str, int]:
    """Erase what is left elsewhere. Returns how many rows of each table went. Raises OutageError and SetupError."""
    async with transaction(pool) as connection:
        return await _each(connection, AFTERWARDS, "erase", customer_id=customer_id)


async def counted(pool: asyncpg.Pool, customer_id: int) -> dict[str, int]:
    """How many rows of each table would go. Raises OutageError and SetupError."""
    async with transaction(pool) as connection:
        return await _each(connection, {*AT_ONCE, *AFTERWARDS}, "count", customer_id=customer_id)


async def batches_of(pool: asyncpg.Pool, customer_id: int) -> list[BatchKey]:
    """The batches that may hold bytes of the customer: noted, found by the ledger, or with dead letters in them."""
    with postgres_errors():
        noted = await pool.fetch(QUERIES["noted_batches"], customer_id)
        found = await pool.fetch(QUERIES["concerned_batches"], customer_id)
        letters = await pool.fetch(QUERIES["batches_with_letters"])
    return sorted({BatchKey(*row) for row in (*noted, *found, *letters)})


async def batch_bytes(connection: Connection, key: BatchKey, *, hold: bool) -> bytes | None:
    """The packed messages of the batch, to be written anew if `hold`; None: it is not kept any more."""
    found: bytes | None = await connection.fetchval(QUERIES["hold_batch" if hold else "see_batch"], *key)
    return found


async def rewrite(connection: Connection, key: BatchKey, packed: bytes | None) -> None:
    """Keep these packed messages in place of the batch's, or nothing at all."""
    if packed is None:
        await connection.execute(QUERIES["forget_batch"], *key)
    else:
        await connection.execute(QUERIES["rewrite_batch"], *key, packed)


async def batch_done(connection: Connection, customer_id: int, key: BatchKey) -> None:
    """The batch holds nothing of the customer any more."""
    await connection.execute(QUERIES["batch_done"], customer_id, *key)


async def forget_letters(connection: Connection, letters: Sequence[LetterPlace], *, dry_run: bool) -> dict[str, int]:
    """Forget that the letters were put aside and what was done about them, or count it."""
    verb = "count" if dry_run else "erase"
    gone = {"dead_letters": 0, "handled_letters": 0}
    for key, *place in letters:
        gone["dead_letters"] += await connection.fetchval(QUERIES[f"{verb}_letter"], *key, *place)
        gone["handled_letters"] += await connection.fetchval(QUERIES[f"{verb}_handled_letter"], *key)
    return gone


class PublishedLane(NamedTuple):
    """A lane, and the last decision that it is known to have published."""

    key: LaneKey
    published: int


async def all_lanes(pool: asyncpg.Pool) -> Mapping[int, PublishedLane]:
    """The lanes of all groups, by id. Raises OutageError and SetupError."""
    with postgres_errors():
        rows = await pool.fetch(QUERIES["all_lanes"])
    return {
        row["lane_id"]: PublishedLane(
            LaneKey(topic_prefix=row["topic_prefix"], group_id=row["group_id"], partition=row["partition"]),
            row["published"],
        )
        for row in rows
    }


async def _each(connection: Connection, tables: Collection[str], verb: str, *, customer_id: int) -> dict[str, int]:
    return {table: await connection.fetchval(QUERIES[f"{verb}_{table}"], customer_id) for table in tables}
