"""Count the rows of the tables, and list lanes and definitions, without locks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from unenroll.errors import OutageError
from unenroll.postgres.errors import postgres_errors, took_too_long
from unenroll.postgres.pool import snapshot
from unenroll.postgres.queries import QUERIES

_MAX_REFUSALS = 20
COUNT_MS = 20_000
"""How long the count of a table may take."""

_SECONDS_TO_CANCEL = 5.0
_COUNTS = {
    "ledger": "event_counts",
    "dead_letters": "dead_letter_counts",
    "erased_customers": "erased_customers_count",
}
"""The query that counts each table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DecidedUpTo:
    """The next offset of a topic that a lane decides. A topic that was deleted and created again has another id."""

    topic: str
    topic_id: str
    offset: int


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownLane:
    """The row of a lane. `sequence` is the number of its last decision.

    `published` is a lower bound of the last published decision.
    """

    partition: int
    epoch: int
    sequence: int
    published: int
    updated_at: datetime
    decided: tuple[DecidedUpTo, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DefinitionSummary:
    """A target group with the numbers of its cycles and targets."""

    group_id: int
    version: int
    name: str
    active: bool
    cycles: int
    targets: int
    accepted_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusalSummary:
    """A record of topic `definitions` that was refused. `group_id` is None if the record is not readable."""

    refused_at: datetime
    group_id: int | None
    version: int | None
    reason: str
    detail: str
    topic_id: str
    partition: int
    offset: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseOverview:
    """The tables as of one moment: the lanes of one group, and everything else of the whole database.

    `requests` are by outcome, `facts` by event type, `dead_letters` by reason. Duplicates are not counted, since they
    leave no row. `erased` is the number of erased customers, whose decisions count nevertheless. `estimates` has the
    estimated number of rows of each table whose count took too long: its counts are empty. `resettlements` are the
    groups whose waiting accounts are still to be settled again. `refusals` are the latest 20.
    """

    lanes: tuple[KnownLane, ...]
    requests: Mapping[str, int]
    facts: Mapping[str, int]
    dead_letters: Mapping[str, int]
    erased: int
    estimates: Mapping[str, int]
    resettlements: tuple[int, ...]
    definitions: tuple[DefinitionSummary, ...]
    refusals: tuple[RefusalSummary, ...]


async def overview(pool: asyncpg.Pool, *, topic_prefix: str, group_id: str) -> DatabaseOverview:
    """Return an overview of the tables. Each count takes 20 s at most. Raises OutageError and SetupError."""
    async with snapshot(pool) as connection:
        lanes = await connection.fetch(QUERIES["lane_rows"], topic_prefix, group_id)
        resettlements = await connection.fetch(QUERIES["resettlements"])
        definitions = await connection.fetch(QUERIES["definition_summaries"])
        refusals = await connection.fetch(QUERIES["latest_refusals"], _MAX_REFUSALS)
    counts = {table: await _counted(pool, table) for table in _COUNTS}
    events = counts["ledger"] or ()
    return DatabaseOverview(
        lanes=tuple(map(_lane, lanes)),
        requests={row["outcome"]: row["count"] for row in events if row["outcome"] is not None},
        facts={row["event_type"]: row["count"] for row in events if row["outcome"] is None},
        dead_letters={row["reason"]: row["count"] for row in counts["dead_letters"] or ()},
        erased=sum(row["count"] for row in counts["erased_customers"] or ()),
        estimates={table: await _estimated(pool, table) for table, rows in counts.items() if rows is None},
        resettlements=tuple(row["group_id"] for row in resettlements),
        definitions=tuple(DefinitionSummary(**row) for row in definitions),
        refusals=tuple(RefusalSummary(**row) for row in refusals),
    )


async def _counted(pool: asyncpg.Pool, table: str) -> Sequence[Any] | None:
    """The rows of the count of this table; None if it took too long."""
    try:
        async with snapshot(pool) as connection:
            await connection.execute(QUERIES["limit_count"], f"{COUNT_MS}ms")
            return await connection.fetch(QUERIES[_COUNTS[table]], timeout=COUNT_MS / 1000 + _SECONDS_TO_CANCEL)
    except OutageError as outage:
        if took_too_long(outage):
            return None
        raise


async def _estimated(pool: asyncpg.Pool, table: str) -> int:
    with postgres_errors():
        rows: int = await pool.fetchval(QUERIES["estimated_rows"], table) or 0
        return rows


def _lane(row: asyncpg.Record) -> KnownLane:
    columns = zip(row["topics"], row["topic_ids"], row["positions"], strict=True)
    return KnownLane(
        partition=row["partition"],
        epoch=row["epoch"],
        sequence=row["sequence"],
        published=row["published"],
        updated_at=row["updated_at"],
        decided=tuple(
            DecidedUpTo(topic=topic, topic_id=topic_id, offset=offset) for topic, topic_id, offset in columns
        ),
    )
