"""Count the rows of the tables, and list lanes and definitions, without locks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from unenroll.postgres.pool import Connection, snapshot
from unenroll.postgres.queries import QUERIES

_MAX_REFUSALS = 20
_COUNT_SECONDS = 65.0  # a little longer than the statement_timeout that raise_statement_timeout sets


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
    leave no row. `resettlements` are the groups whose waiting accounts are still to be settled again.
    `erased` is the number of erased customers, whose decisions count nevertheless. `refusals` are the latest 20.
    """

    lanes: tuple[KnownLane, ...]
    requests: Mapping[str, int]
    facts: Mapping[str, int]
    dead_letters: Mapping[str, int]
    resettlements: tuple[int, ...]
    erased: int
    definitions: tuple[DefinitionSummary, ...]
    refusals: tuple[RefusalSummary, ...]


async def overview(pool: asyncpg.Pool, *, topic_prefix: str, group_id: str) -> DatabaseOverview:
    """Return an overview of the tables. Raises OutageError and SetupError."""
    async with snapshot(pool) as connection:
        await connection.execute(QUERIES["raise_statement_timeout"])
        events = await _rows(connection, "event_counts")
        (erased,) = await _rows(connection, "erased_customers_count")
        return DatabaseOverview(
            lanes=tuple(_lane(row) for row in await _rows(connection, "lane_rows", topic_prefix, group_id)),
            requests={row["outcome"]: row["count"] for row in events if row["outcome"] is not None},
            facts={row["event_type"]: row["count"] for row in events if row["outcome"] is None},
            dead_letters=dict(await _rows(connection, "dead_letter_counts")),
            resettlements=tuple(row["group_id"] for row in await _rows(connection, "resettlements")),
            erased=erased["count"],
            definitions=tuple(DefinitionSummary(**row) for row in await _rows(connection, "definition_summaries")),
            refusals=tuple(RefusalSummary(**row) for row in await _rows(connection, "latest_refusals", _MAX_REFUSALS)),
        )


async def _rows(connection: Connection, query: str, *arguments: object) -> Sequence[Any]:
    return await connection.fetch(QUERIES[query], *arguments, timeout=_COUNT_SECONDS)


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
