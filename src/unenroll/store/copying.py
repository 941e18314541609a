"""Rows of customers and of lanes, copied from one database to another, and forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import asyncpg

from unenroll.errors import UnenrollError
from unenroll.store.connect import Connection, transaction
from unenroll.store.outage import translated
from unenroll.store.queries import QUERIES

AT_ONCE: Final = 1000
_LONG_SECONDS = 24 * 3600.0
_COLUMNS: Final = {
    "ledger": (
        *("customer_id", "event_key", "event_type", "content_version", "content_hash", "event_time", "target_id"),
        *("outcome", "decision", "lane_id", "sequence", "topic_id", "partition", "offset", "decided_at"),
    ),
    "accounts": ("customer_id", "target_id", "decisions", "waits", "facts"),
    "front_door_requests": (
        *("request_id", "caller", "event_type", "fingerprint", "customer_id", "target_id", "event_key", "event_time"),
        *("traceparent", "data", "answer", "created_at"),
    ),
    "publications": ("lane_id", "last_sequence", "first_sequence", "outputs", "decided_at"),
    "dead_letters": (
        *("topic", "digest", "reason", "detail", "lane_id", "sequence", "topic_id", "partition", "offset", "redrives"),
        "decided_at",
    ),
    "handled_letters": ("topic", "digest", "batch", "handled_by", "handled_at", "why"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Copying:
    """A lane's way from one database to the other, where it has another id. Whatever is copied twice is there once."""

    source: asyncpg.Pool
    target: asyncpg.Pool
    number: int
    source_id: int
    target_id: int

    async def customers(self, customers: Sequence[int]) -> None:
        """All that is known of these customers, at most `AT_ONCE`. Raises UnenrollError if another lane decided of one.

        Raises OutageError.
        """
        with translated():
            others = await self.source.fetch(QUERIES["others_decided"], customers, self.source_id)
        if others:
            raise astray(others[0]["customer_id"], self.number)
        rows = {
            "ledger": await self._read("moved_ledger", customers, self.target_id),
            "accounts": await self._read("moved_accounts", customers),
            "front_door_requests": await self._read("moved_front_door_requests", customers),
        }
        async with transaction(self.target) as connection:
            await forget(connection, customers)
            for table, data in rows.items():
                await _write(connection, table, data)

    async def publications(self, above: int) -> None:
        """Those of the lane whose last number is above this one. Raises OutageError."""
        async with transaction(self.target) as connection:
            await connection.execute(QUERIES["forget_publications_above"], self.target_id, above)
        while True:
            with translated():
                last = await self.source.fetchval(QUERIES["next_publications"], self.source_id, above)
            if last is None:
                return
            data = await self._read("moved_publications", self.source_id, self.target_id, above, last)
            async with transaction(self.target) as connection:
                await _write(connection, "publications", data)
            above = last

    async def letters(self) -> None:
        """The lane's dead letters, and what was done about them. Raises OutageError."""
        dead = await self._read("moved_dead_letters", self.source_id, self.target_id)
        handled = await self._read("moved_handled_letters", self.source_id)
        async with transaction(self.target) as connection:
            await forget_letters(connection, self.target_id)
            await _write(connection, "dead_letters", dead)
            await _write(connection, "handled_letters", handled)

    async def erased(self) -> None:
        """Whoever was erased in one of the databases is so in the other. Raises OutageError."""
        with translated():
            rows = await self.source.fetch(QUERIES["all_erased"])
            columns = [[row[name] for row in rows] for name in ("customer_id", "erased_at", "until")]
            await self.target.execute(QUERIES["save_erased"], *columns)

    async def _read(self, query: str, *arguments: object) -> BytesIO:
        data = BytesIO()
        with translated():
            async with self.source.acquire() as connection:
                await connection.execute(QUERIES["takes_long"])
                await connection.copy_from_query(
                    QUERIES[query].removesuffix(";"), *arguments, output=data, format="binary", timeout=_LONG_SECONDS
                )
        data.seek(0)
        return data


def astray(customer_id: int, number: int) -> UnenrollError:
    """Why a lane cannot be parted from the others."""
    return UnenrollError(
        f"customer {customer_id} was not read in lane {number} alone: records are not partitioned by the customer's "
        "number as Kafka's own clients do it, so lanes cannot be in several databases"
    )


async def forget(connection: Connection, customers: Sequence[int]) -> None:
    """Forget all of these customers."""
    for query in ("forget_ledger_of", "forget_accounts_of", "forget_calls_of", "forget_due_of"):
        await connection.execute(QUERIES[query], customers)


async def forget_letters(connection: Connection, lane_id: int) -> None:
    """Forget the dead letters of a lane."""
    await connection.execute(QUERIES["forget_handled_letters_of"], lane_id)
    await connection.execute(QUERIES["forget_dead_letters_of"], lane_id)


async def forget_publications(pool: asyncpg.Pool, lane_id: int) -> None:
    """Forget the publications of a lane, some at a time. Raises OutageError."""
    while True:
        async with transaction(pool) as connection:
            last = await connection.fetchval(QUERIES["next_publications"], lane_id, -1)
            if last is None:
                return
            await connection.execute(QUERIES["forget_publications_up_to"], lane_id, last)


async def _write(connection: Connection, table: str, data: BytesIO) -> None:
    await connection.copy_to_table(table, source=data, columns=_COLUMNS[table], format="binary")
