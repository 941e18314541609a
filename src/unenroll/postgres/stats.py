"""Count the rows of the tables, and list lanes and definitions, without locks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from unenroll.errors import OutageError
from unenroll.postgres.errors import is_blocked, postgres_errors
from unenroll.postgres.pool import Connection, snapshot
from unenroll.postgres.queries import QUERIES
from unenroll.wire.fields import LARGEST_INT64, SMALLEST_INT64

_MAX_REFUSALS = 20
_PAGE_GROUPS = 500
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
    """Everything but the lanes, of the whole database. Each count is as of a moment of its own.

    `requests` are by outcome, `facts` by event type, `dead_letters` by reason. Duplicates are not counted, since they
    leave no row. `erased` is the number of erased customers, whose decisions count nevertheless. A count is None if it
    took too long: `estimates` then has the estimated number of rows of its table, None without statistics.
    `resettlements` are the groups whose waiting accounts are still to be settled again. `refusals` are the latest 20.
    """

    requests: Mapping[str, int] | None
    facts: Mapping[str, int] | None
    dead_letters: Mapping[str, int] | None
    erased: int | None
    estimates: Mapping[str, int | None]
    resettlements: tuple[int, ...]
    definitions: tuple[DefinitionSummary, ...]
    refusals: tuple[RefusalSummary, ...]


async def known_lanes(pool: asyncpg.Pool, *, topic_prefix: str, group_id: str) -> tuple[KnownLane, ...]:
    """Return the lanes of the group. Raises OutageError and SetupError."""
    with postgres_errors():
        return tuple(map(_lane, await pool.fetch(QUERIES["lane_rows"], topic_prefix, group_id)))


async def overview(pool: asyncpg.Pool) -> DatabaseOverview:
    """Return an overview of the database. Each count takes 20 s at most. Raises OutageError and SetupError."""
    counts = {table: await _counted(pool, table) for table in _COUNTS}
    events, letters, erased = counts.values()
    async with snapshot(pool) as connection:
        estimates = {table: await _estimated(connection, table) for table, rows in counts.items() if rows is None}
        resettlements = await connection.fetch(QUERIES["resettlements"])
        refusals = await connection.fetch(QUERIES["latest_refusals"], _MAX_REFUSALS)
        definitions = await _definitions(connection)
    return DatabaseOverview(
        requests=None if events is None else {one: count for _, one, count in events if one is not None},
        facts=None if events is None else {one: count for one, outcome, count in events if outcome is None},
        dead_letters=None if letters is None else dict(letters),
        erased=None if erased is None else erased[0]["count"],
        estimates=estimates,
        resettlements=tuple(row["group_id"] for row in resettlements),
        definitions=definitions,
        refusals=tuple(RefusalSummary(**row) for row in refusals),
    )


async def _counted(pool: asyncpg.Pool, table: str) -> Sequence[Any] | None:
    """The rows of the count of this table; None if it took too long or waited too long for a lock."""
    try:
        async with snapshot(pool) as connection:
            await connection.execute(QUERIES["limit_count"], f"{COUNT_MS}ms")
            return await connection.fetch(QUERIES[_COUNTS[table]], timeout=COUNT_MS / 1000 + _SECONDS_TO_CANCEL)
    except OutageError as outage:
        if is_blocked(outage):
            return None
        raise


async def _estimated(connection: Connection, table: str) -> int | None:
    rows: int | None = await connection.fetchval(QUERIES["estimated_rows"], table)
    return rows


async def _definitions(connection: Connection) -> tuple[DefinitionSummary, ...]:
    """All definitions, 500 at a time: Postgres parses the text of each one."""
    found: list[DefinitionSummary] = []
    first = SMALLEST_INT64
    while True:
        rows = await connection.fetch(QUERIES["definition_summaries"], first, _PAGE_GROUPS)
        found += (DefinitionSummary(**row) for row in rows)
        if len(rows) < _PAGE_GROUPS or found[-1].group_id == LARGEST_INT64:
            return tuple(found)
        first = found[-1].group_id + 1


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
