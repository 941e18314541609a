"""What could not be read or placed: each content once."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from unenroll.store.connect import Connection
from unenroll.store.ledger import Place
from unenroll.store.queries import QUERIES

Buried = tuple[str, bytes]
"""What a dead letter is known by: the topic, and the SHA-256 of key, value and headers."""


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
