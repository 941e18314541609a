"""Customers who were erased on request: nothing that happened to them before is kept again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from unenroll.store.connect import Connection
from unenroll.store.outage import postgres_errors
from unenroll.store.queries import QUERIES

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
