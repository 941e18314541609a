"""What the tables that grow hold in all. To count them takes the longer the more they hold. Nothing is locked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg

from unenroll.store.connect import Connection, one_moment
from unenroll.store.overview import RefusalTold
from unenroll.store.queries import QUERIES

_LATEST = 5
_COUNTING_SECONDS = 65.0  # a little longer than Postgres takes at most


@dataclass(frozen=True, kw_only=True, slots=True)
class BuriedTold:
    """A dead letter in short: why, and where its record was read."""

    decided_at: datetime
    reason: str
    detail: str
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DefinitionsInShort:
    """How many groups are defined, and the one that was accepted last."""

    groups: int
    group_id: int
    version: int
    name: str
    accepted_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """What the whole database holds, as of one moment, whichever group decided.

    `requests` are by outcome, `facts` by event type, `dead_letters` by reason; `latest_dead_letters` the last 5,
    `latest_refusals` the last 5 definitions that were refused, `definitions` None where nothing is defined.
    """

    at: datetime
    requests: Mapping[str, int]
    facts: Mapping[str, int]
    dead_letters: Mapping[str, int]
    latest_dead_letters: tuple[BuriedTold, ...]
    definitions: DefinitionsInShort | None
    latest_refusals: tuple[RefusalTold, ...]
    settlements_due: int


async def totals(pool: asyncpg.Pool) -> Totals:
    """What the tables hold now. Raises OutageError and SetupError."""
    async with one_moment(pool) as connection:
        await connection.execute(QUERIES["counting_takes_time"])
        at = datetime.now(UTC)
        events = await _rows(connection, "event_counts")
        (due,) = await _rows(connection, "settlements_due_count")
        definitions = await _rows(connection, "definitions_in_short")
        letters = await _rows(connection, "latest_dead_letters", _LATEST)
        return Totals(
            at=at,
            requests={row["outcome"]: row["count"] for row in events if row["outcome"] is not None},
            facts={row["event_type"]: row["count"] for row in events if row["outcome"] is None},
            dead_letters=dict(await _rows(connection, "dead_letter_counts")),
            latest_dead_letters=tuple(BuriedTold(**row) for row in letters),
            definitions=next((DefinitionsInShort(**row) for row in definitions), None),
            latest_refusals=tuple(RefusalTold(**row) for row in await _rows(connection, "latest_refusals", _LATEST)),
            settlements_due=due["count"],
        )


async def _rows(connection: Connection, query: str, *arguments: object) -> Sequence[Any]:
    return await connection.fetch(QUERIES[query], *arguments, timeout=_COUNTING_SECONDS)
