"""Read and write the ledger, with one row for each inbound event and its decision, and the table of dead letters."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple

from unenroll.core.events import EventKey
from unenroll.core.outcomes import Outcome
from unenroll.postgres.pool import Connection
from unenroll.postgres.queries import QUERIES


class EventContent(NamedTuple):
    """The content of an event, as a hash with its version. `time` is None if the event has no time."""

    version: int
    digest: bytes
    time: datetime | None

    def contradicts(self, other: "EventContent") -> bool:
        """Return whether two events with the same id differ.

        Times are compared if both events have one, and hashes if they have the same version.
        """
        if self.time is not None and other.time is not None and self.time != other.time:
            return True
        return self.version == other.version and self.digest != other.digest


class LedgerPosition(NamedTuple):
    """Where Unenroll first read a record, and its number among the decisions of the lane."""

    lane_id: int
    sequence: int
    topic_id: str
    partition: int
    offset: int


class LedgerRow(NamedTuple):
    """One event and its decision, in the columns of the ledger. A fact from `unenroll load` has NO_POSITION."""

    customer_id: int
    event_key: str
    event_type: str
    content_version: int
    content_hash: bytes
    event_time: datetime | None
    target_id: int
    outcome: Outcome | None
    decision: int | None
    decided_at: datetime
    lane_id: int | None
    sequence: int | None
    topic_id: str | None
    partition: int | None
    offset: int | None

    @property
    def key(self) -> EventKey:
        """The customer and the key of the event."""
        return EventKey(self.customer_id, self.event_key)

    @property
    def content(self) -> EventContent:
        """The content of the event."""
        return EventContent(self.content_version, self.content_hash, self.event_time)


class LedgerOutcome(NamedTuple):
    """The content of an event in the ledger, and the outcome of a request or the type of a fact."""

    content: EventContent
    outcome_or_type: str


NO_POSITION = (None,) * len(LedgerPosition._fields)
"""The position of an event that comes from no topic."""


async def known_events(connection: Connection, keys: Iterable[EventKey]) -> dict[EventKey, EventContent]:
    """Return the contents of those of the events that the ledger has."""
    ordered = sorted(set(keys))
    rows = await connection.fetch(
        QUERIES["known_events"], [key.customer_id for key in ordered], [key.event_key for key in ordered]
    )
    return {
        EventKey(row["customer_id"], str(row["event_key"])): EventContent(
            row["content_version"], row["content_hash"], row["event_time"]
        )
        for row in rows
    }


async def ledger_outcomes(connection: Connection, keys: Iterable[EventKey]) -> dict[EventKey, LedgerOutcome]:
    """Return the outcomes of those of the events that the ledger has."""
    ordered = sorted(set(keys))
    rows = await connection.fetch(
        QUERIES["ledger_outcomes"], [key.customer_id for key in ordered], [key.event_key for key in ordered]
    )
    return {
        EventKey(customer_id, str(event_key)): LedgerOutcome(EventContent(version, digest, time), outcome_or_type)
        for customer_id, event_key, version, digest, time, outcome_or_type in rows
    }


async def save_ledger(connection: Connection, rows: Sequence[LedgerRow]) -> None:
    """Insert the rows in the order of their keys, so that two lanes cannot deadlock."""
    if rows:
        records = sorted(rows, key=itemgetter(0, 1))
        await connection.copy_records_to_table("ledger", records=records, columns=LedgerRow._fields)


class LetterKey(NamedTuple):
    """Identifies a dead letter: the topic of its record, and the SHA-256 of the record's key, value and headers."""

    topic: str
    digest: bytes


class DeadLetterRow(NamedTuple):
    """One dead letter. `digest` is the SHA-256 of the record's key, value and headers."""

    topic: str
    digest: bytes
    reason: str
    detail: str
    position: LedgerPosition
    redrives: int
    decided_at: datetime


_COLUMNS = (
    *("topic", "digest", "reason", "detail", "lane_id", "sequence", "topic_id", "partition", "offset"),
    *("redrives", "decided_at"),
)


async def known_dead_letters(connection: Connection, keys: Iterable[LetterKey]) -> dict[LetterKey, str]:
    """Return the reasons of those of the records that are dead letters already."""
    by_topic: dict[str, list[bytes]] = {}
    for topic, digest in keys:
        by_topic.setdefault(topic, []).append(digest)
    return {
        LetterKey(topic, row["digest"]): row["reason"]
        for topic, digests in by_topic.items()
        for row in await connection.fetch(QUERIES["known_dead_letters"], topic, digests)
    }


async def save_dead_letters(connection: Connection, rows: Sequence[DeadLetterRow]) -> None:
    """Insert the rows in the order of their keys, so that two lanes cannot deadlock."""
    if rows:
        records = [
            (row.topic, row.digest, row.reason, row.detail, *row.position, row.redrives, row.decided_at)
            for row in sorted(rows, key=lambda row: (row.topic, row.digest))
        ]
        await connection.copy_records_to_table("dead_letters", records=records, columns=_COLUMNS)
