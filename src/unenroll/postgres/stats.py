"""What the tables hold in all: lanes, counts, definitions. Nothing is locked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from unenroll.postgres.pool import Connection, snapshot
from unenroll.postgres.queries import QUERIES

_LATEST = 20
_COUNTING_SECONDS = 65.0  # a little longer than Postgres takes at most


@dataclass(frozen=True, kw_only=True, slots=True)
class DecidedUpTo:
    """The next offset of a topic that a lane is to decide. A topic made again has another id."""

    topic: str
    topic_id: str
    offset: int


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownLane:
    """A lane's row: `sequence` numbers its decisions, `published` is a lower bound of what went out."""

    partition: int
    epoch: int
    sequence: int
    published: int
    updated_at: datetime
    decided: tuple[DecidedUpTo, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DefinitionSummary:
    """A target group as it is defined: how many cycles and targets it has."""

    group_id: int
    version: int
    name: str
    active: bool
    cycles: int
    targets: int
    accepted_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusalSummary:
    """A record of topic `definitions` that was refused. What could not be read names no group."""

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
    """The tables as of one moment: lanes of one group, everything else of the whole database.

    Duplicates leave no trace, so nobody can count them here. `requests` are by outcome, `facts` by event type,
    `dead_letters` by reason. `settlements_due`: accounts that the lanes are still to be told of, after cycles were
    appended. `erased`: customers who were, and whose decisions are counted all the same. `refusals`: the latest 20.
    """

    lanes: tuple[KnownLane, ...]
    requests: Mapping[str, int]
    facts: Mapping[str, int]
    dead_letters: Mapping[str, int]
    settlements_due: int
    erased: int
    definitions: tuple[DefinitionSummary, ...]
    refusals: tuple[RefusalSummary, ...]


async def overview(pool: asyncpg.Pool, *, topic_prefix: str, group_id: str) -> DatabaseOverview:
    """What the tables hold. Locks and changes nothing. Raises OutageError and SetupError."""
    async with snapshot(pool) as connection:
        await connection.execute(QUERIES["counting_takes_time"])
        events = await _rows(connection, "event_counts")
        (due,) = await _rows(connection, "settlements_due_count")
        (erased,) = await _rows(connection, "erased_customers_count")
        return DatabaseOverview(
            lanes=tuple(_lane(row) for row in await _rows(connection, "group_lanes", topic_prefix, group_id)),
            requests={row["outcome"]: row["count"] for row in events if row["outcome"] is not None},
            facts={row["event_type"]: row["count"] for row in events if row["outcome"] is None},
            dead_letters=dict(await _rows(connection, "dead_letter_counts")),
            settlements_due=due["count"],
            erased=erased["count"],
            definitions=tuple(DefinitionSummary(**row) for row in await _rows(connection, "definitions_told")),
            refusals=tuple(RefusalSummary(**row) for row in await _rows(connection, "latest_refusals", _LATEST)),
        )


async def _rows(connection: Connection, query: str, *arguments: object) -> Sequence[Any]:
    return await connection.fetch(QUERIES[query], *arguments, timeout=_COUNTING_SECONDS)


def _lane(row: asyncpg.Record) -> KnownLane:
    decided = zip(row["topics"], row["topic_ids"], row["positions"], strict=True)
    return KnownLane(
        partition=row["partition"],
        epoch=row["epoch"],
        sequence=row["sequence"],
        published=row["published"],
        updated_at=row["updated_at"],
        decided=tuple(DecidedUpTo(topic=topic, topic_id=known, offset=offset) for topic, known, offset in decided),
    )
