"""What could not be read or placed: each content once."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from unenroll.store.connect import Connection
from unenroll.store.ledger import Place
from unenroll.store.queries import QUERIES


class DeadRow(NamedTuple):
    """One dead letter. `digest` is the SHA-256 of its key, value and headers."""

    topic: str
    digest: bytes
    reason: str
    detail: str
    place: Place
    redrives: int
    decided_at: datetime


_COLUMNS = (
    *("topic", "digest", "reason", "detail", "lane_id", "sequence", "topic_id", "partition", "offset"),
    *("redrives", "decided_at"),
)


async def known_dead_letters(connection: Connection, topic: str, digests: Sequence[bytes]) -> set[tuple[str, bytes]]:
    """Which of these contents of the topic were dead-lettered before, as (topic, digest)."""
    if not digests:
        return set()
    rows = await connection.fetch(QUERIES["known_dead_letters"], topic, digests)
    return {(topic, row["digest"]) for row in rows}


async def save_dead_letters(connection: Connection, rows: Sequence[DeadRow]) -> None:
    """Write the rows, in the order of their keys, so that two lanes cannot wait for each other."""
    if rows:
        records = [
            (row.topic, row.digest, row.reason, row.detail, *row.place, row.redrives, row.decided_at)
            for row in sorted(rows, key=lambda row: (row.topic, row.digest))
        ]
        await connection.copy_records_to_table("dead_letters", records=records, columns=_COLUMNS)
