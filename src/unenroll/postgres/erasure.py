"""Erase customers on request, and look up who was erased, so that older events of them are ignored."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import asyncpg

from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.lanes import LaneKey
from unenroll.postgres.ledger import LetterKey
from unenroll.postgres.pool import Connection, transaction
from unenroll.postgres.queries import QUERIES

ErasedUntil = Mapping[int, datetime]
"""By erased customer: events up to this time are ignored."""

_FIRST_TABLES = ("accounts", "ledger", "api_requests")
"""The tables that are erased in the same transaction that records the erasure."""

_LATER_TABLES = ("api_requests", "replays")
"""The tables that others may still write to meanwhile, or lock for long. They are erased at the end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tombstone:
    """The record of an erasure. Events of the customer up to `until` are ignored."""

    customer_id: int
    erased_at: datetime
    until: datetime


async def lock_erasures(connection: Connection, customers: Iterable[int]) -> ErasedUntil:
    """Return which of the customers were erased, and block new erasures until the transaction ends."""
    return _erased_until(await connection.fetch(QUERIES["lock_erasures"], sorted(set(customers))))


async def read_erasures(connection: Connection, customers: Iterable[int]) -> ErasedUntil:
    """Return which of the customers were erased, without a lock."""
    return _erased_until(await connection.fetch(QUERIES["read_erasures"], sorted(set(customers))))


async def tombstone(pool: asyncpg.Pool, customer_id: int) -> Tombstone | None:
    """Return the erasure of the customer, or None. Raises OutageError and SetupError."""
    with postgres_errors():
        row = await pool.fetchrow(QUERIES["tombstone"], customer_id)
    return None if row is None else Tombstone(customer_id=customer_id, **row)


def erasure_covers(erased_until: ErasedUntil, customer_id: int, time: datetime) -> bool:
    """Return whether an erasure of the customer covers this time."""
    return customer_id in erased_until and time <= erased_until[customer_id]


def _erased_until(rows: Iterable[asyncpg.Record]) -> ErasedUntil:
    return {row["customer_id"]: row["until"] for row in rows}


PAGE_LETTERS = 1000
"""The maximum number of dead letters that one statement reads."""


class BatchKey(NamedTuple):
    """Identifies a batch: its lane, and the number of its last decision."""

    lane_id: int
    last_sequence: int


class LetterRecord(NamedTuple):
    """A dead letter, and where its record was read. The place finds it if the record's content is not complete."""

    key: LetterKey
    partition: int
    offset: int
    reason: str


async def record_erasure(pool: asyncpg.Pool, customer_id: int) -> tuple[Tombstone, dict[str, int]]:
    """Record the erasure, and erase accounts, ledger and requests, in one transaction while no batch is running.

    Returns the number of erased rows by table. Raises OutageError if running batches take too long; then nothing is
    erased.
    """
    async with transaction(pool) as connection:
        await connection.execute(QUERIES["limit_erasure_lock_wait"])
        await connection.execute(QUERIES["lock_out_batches"])
        ((erased_at, until),) = await connection.fetch(QUERIES["erase_customer"], customer_id)
        await _save_batches_to_rewrite(connection, customer_id)
        rows = await _per_table(connection, _FIRST_TABLES, "erase", customer_id=customer_id)
    return Tombstone(customer_id=customer_id, erased_at=erased_at, until=until), rows


async def _save_batches_to_rewrite(connection: Connection, customer_id: int) -> None:
    """Save which batches decided the customer's events, before their rows of the ledger are erased."""
    batches = await connection.fetch(QUERIES["customer_batches"], customer_id)
    columns = [row["lane_id"] for row in batches], [row["last_sequence"] for row in batches]
    await connection.execute(QUERIES["save_batches_to_rewrite"], customer_id, *columns)


async def erase_remaining(pool: asyncpg.Pool, customer_id: int) -> dict[str, int]:
    """Erase the customer's rows in the other tables. Returns their number by table. Raises OutageError, SetupError."""
    async with transaction(pool) as connection:
        return await _per_table(connection, _LATER_TABLES, "erase", customer_id=customer_id)


async def count_rows(pool: asyncpg.Pool, customer_id: int) -> dict[str, int]:
    """Return how many rows an erasure would erase, by table. Raises OutageError and SetupError."""
    async with transaction(pool) as connection:
        return await _per_table(connection, {*_FIRST_TABLES, *_LATER_TABLES}, "count", customer_id=customer_id)


async def batches_to_rewrite(pool: asyncpg.Pool, customer_id: int) -> list[BatchKey]:
    """Return the batches that may contain messages of the customer.

    They are the saved batches, those that the ledger names, and all batches with dead letters.
    """
    with postgres_errors():
        saved = await pool.fetch(QUERIES["batches_to_rewrite"], customer_id)
        in_ledger = await pool.fetch(QUERIES["customer_batches"], customer_id)
        with_letters = await _batches_with_letters(pool)
    return sorted({*with_letters, *(BatchKey(*row) for row in (*saved, *in_ledger))})


async def _batches_with_letters(pool: asyncpg.Pool) -> set[BatchKey]:
    """Return the batches in the outbox that contain dead letters, read 1,000 letters at a time."""
    batches: set[BatchKey] = set()
    topic, digest = "", b""
    while True:
        rows = await pool.fetch(QUERIES["batches_of_letters"], topic, digest, PAGE_LETTERS)
        batches.update(BatchKey(row["lane_id"], row["last_sequence"]) for row in rows if row["lane_id"] is not None)
        if len(rows) < PAGE_LETTERS:
            return batches
        topic, digest = rows[-1]["topic"], rows[-1]["digest"]


async def read_batch(connection: Connection, key: BatchKey, *, lock: bool) -> bytes | None:
    """Return the packed messages of the batch, or None if they were deleted. With `lock`, lock the row."""
    packed: bytes | None = await connection.fetchval(QUERIES["lock_batch" if lock else "read_batch"], *key)
    return packed


async def replace_batch(connection: Connection, key: BatchKey, packed: bytes | None) -> None:
    """Replace the packed messages of the batch, or delete the row if `packed` is None."""
    if packed is None:
        await connection.execute(QUERIES["delete_batch"], *key)
    else:
        await connection.execute(QUERIES["replace_batch"], *key, packed)


async def finish_batch(connection: Connection, customer_id: int, key: BatchKey) -> None:
    """Record that the batch contains no message of the customer any more."""
    await connection.execute(QUERIES["finish_batch"], customer_id, *key)


async def erase_letters(connection: Connection, letters: Sequence[LetterRecord], *, dry_run: bool) -> dict[str, int]:
    """Erase the rows of these dead letters, or only count them. Returns their number by table."""
    verb = "count" if dry_run else "erase"
    rows = {"dead_letters": 0, "handled_letters": 0}
    for key, *record in letters:
        rows["dead_letters"] += await connection.fetchval(QUERIES[f"{verb}_letter"], *key, *record)
        rows["handled_letters"] += await connection.fetchval(QUERIES[f"{verb}_handled_letter"], *key)
    return rows


class PublishedLane(NamedTuple):
    """A lane, and the number of its last decision that is known to be published."""

    key: LaneKey
    published: int


async def all_lanes(pool: asyncpg.Pool) -> Mapping[int, PublishedLane]:
    """Return the lanes of all groups by id. Raises OutageError and SetupError."""
    with postgres_errors():
        rows = await pool.fetch(QUERIES["all_lanes"])
    return {
        row["lane_id"]: PublishedLane(
            LaneKey(topic_prefix=row["topic_prefix"], group_id=row["group_id"], partition=row["partition"]),
            row["published"],
        )
        for row in rows
    }


async def _per_table(connection: Connection, tables: Collection[str], verb: str, *, customer_id: int) -> dict[str, int]:
    return {table: await connection.fetchval(QUERIES[f"{verb}_{table}"], customer_id) for table in tables}
