"""The ledger: every inbound event once, and what was decided of it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from unenroll.core.outcomes import Outcome
from unenroll.store.connect import Connection
from unenroll.store.queries import QUERIES


class EventKey(NamedTuple):
    """Who an event is: rules of identity in the contract. `event_key` is the UUIDv5 of its source and id."""

    customer_id: int
    event_key: str


class Content(NamedTuple):
    """What an event says. `time` is None where the event came without one, and is then not compared."""

    version: int
    digest: bytes
    time: datetime | None

    def contradicts(self, other: "Content") -> bool:
        """Whether two events of the same identity differ. Hashes of different versions are not comparable."""
        if self.time is not None and other.time is not None and self.time != other.time:
            return True
        return self.version == other.version and self.digest != other.digest


class Place(NamedTuple):
    """Where an event was first read, and its number in the lane's order of decisions."""

    lane_id: int
    sequence: int
    topic_id: str
    partition: int
    offset: int


class LedgerRow(NamedTuple):
    """One event and its decision. The fields stand in the order of `_COLUMNS`."""

    key: EventKey
    event_type: str
    content: Content
    target_id: int
    outcome: Outcome | None
    decision: int | None
    place: Place | None
    decided_at: datetime


_COLUMNS = (
    *("customer_id", "event_key", "event_type", "content_version", "content_hash", "event_time", "target_id"),
    *("outcome", "decision", "decided_at", "lane_id", "sequence", "topic_id", "partition", "offset"),
)
_NOWHERE = (None, None, None, None, None)


async def known_events(connection: Connection, keys: Iterable[EventKey]) -> dict[EventKey, Content]:
    """What the ledger has of these events."""
    wanted = sorted(set(keys))
    rows = await connection.fetch(
        QUERIES["known_events"], [key.customer_id for key in wanted], [key.event_key for key in wanted]
    )
    return {
        EventKey(row["customer_id"], str(row["event_key"])): Content(
            row["content_version"], row["content_hash"], row["event_time"]
        )
        for row in rows
    }


async def save_ledger(connection: Connection, rows: Sequence[LedgerRow]) -> None:
    """Write the rows, in the order of their keys, so that two lanes cannot wait for each other."""
    if rows:
        records = [_record(row) for row in sorted(rows, key=lambda row: row.key)]
        await connection.copy_records_to_table("ledger", records=records, columns=_COLUMNS)


def _record(row: LedgerRow) -> tuple[object, ...]:
    return (
        *row.key,
        row.event_type,
        *row.content,
        row.target_id,
        row.outcome,
        row.decision,
        row.decided_at,
        *(row.place or _NOWHERE),
    )
