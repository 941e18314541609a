"""The ledger: every inbound event once, and what was decided of it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple

from unenroll.core.events import EventKey
from unenroll.core.outcomes import Outcome
from unenroll.postgres.pool import Connection
from unenroll.postgres.queries import QUERIES


class EventContent(NamedTuple):
    """What an event says. `time` is None where the event came without one, and is then not compared."""

    version: int
    digest: bytes
    time: datetime | None

    def contradicts(self, other: "EventContent") -> bool:
        """Whether two events of the same identity differ. Hashes of different versions are not comparable."""
        if self.time is not None and other.time is not None and self.time != other.time:
            return True
        return self.version == other.version and self.digest != other.digest


class LedgerPosition(NamedTuple):
    """Where an event was first read, and its number in the lane's order of decisions."""

    lane_id: int
    sequence: int
    topic_id: str
    partition: int
    offset: int


class LedgerRow(NamedTuple):
    """One event and its decision, in the columns of the ledger. A fact that was loaded was read `NOWHERE`."""

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
        """Which event it is."""
        return EventKey(self.customer_id, self.event_key)

    @property
    def content(self) -> EventContent:
        """What it says."""
        return EventContent(self.content_version, self.content_hash, self.event_time)


class LedgerOutcome(NamedTuple):
    """What the ledger has of an event: its content, and the outcome of a request, or the type of a fact."""

    content: EventContent
    what: str


NOWHERE = (None,) * len(LedgerPosition._fields)


async def known_events(connection: Connection, keys: Iterable[EventKey]) -> dict[EventKey, EventContent]:
    """What the ledger has of these events."""
    wanted = sorted(set(keys))
    rows = await connection.fetch(
        QUERIES["known_events"], [key.customer_id for key in wanted], [key.event_key for key in wanted]
    )
    return {
        EventKey(row["customer_id"], str(row["event_key"])): EventContent(
            row["content_version"], row["content_hash"], row["event_time"]
        )
        for row in rows
    }


async def outcomes_of(connection: Connection, keys: Iterable[EventKey]) -> dict[EventKey, LedgerOutcome]:
    """What became of these events, those that were decided."""
    wanted = sorted(set(keys))
    rows = await connection.fetch(
        QUERIES["outcomes_of"], [key.customer_id for key in wanted], [key.event_key for key in wanted]
    )
    return {
        EventKey(customer_id, str(event_key)): LedgerOutcome(EventContent(version, digest, time), became)
        for customer_id, event_key, version, digest, time, became in rows
    }


async def save_ledger(connection: Connection, rows: Sequence[LedgerRow]) -> None:
    """Write the rows, in the order of their keys, so that two lanes cannot wait for each other."""
    if rows:
        records = sorted(rows, key=itemgetter(0, 1))
        await connection.copy_records_to_table("ledger", records=records, columns=LedgerRow._fields)


Buried = tuple[str, bytes]
"""What a dead letter is known by: the topic, and the SHA-256 of key, value and headers."""


class DeadRow(NamedTuple):
    """One dead letter. `digest` is the SHA-256 of its key, value and headers."""

    topic: str
    digest: bytes
    reason: str
    detail: str
    place: LedgerPosition
    redrives: int
    decided_at: datetime


_COLUMNS = (
    *("topic", "digest", "reason", "detail", "lane_id", "sequence", "topic_id", "partition", "offset"),
    *("redrives", "decided_at"),
)


async def known_dead_letters(connection: Connection, contents: Iterable[Buried]) -> dict[Buried, str]:
    """Which of these contents were dead-lettered before, and for what reason."""
    by_topic: dict[str, list[bytes]] = {}
    for topic, digest in contents:
        by_topic.setdefault(topic, []).append(digest)
    return {
        (topic, row["digest"]): row["reason"]
        for topic, digests in by_topic.items()
        for row in await connection.fetch(QUERIES["known_dead_letters"], topic, digests)
    }


async def save_dead_letters(connection: Connection, rows: Sequence[DeadRow]) -> None:
    """Write the rows, in the order of their keys, so that two lanes cannot wait for each other."""
    if rows:
        records = [
            (row.topic, row.digest, row.reason, row.detail, *row.place, row.redrives, row.decided_at)
            for row in sorted(rows, key=lambda row: (row.topic, row.digest))
        ]
        await connection.copy_records_to_table("dead_letters", records=records, columns=_COLUMNS)
