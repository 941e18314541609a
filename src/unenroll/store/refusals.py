"""Definitions that were refused, for `status` to show."""

from dataclasses import dataclass

import asyncpg

from unenroll.store.outage import postgres_errors
from unenroll.store.queries import QUERIES


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedRecord:
    """A record of topic `definitions` that changed nothing, and why. What could not be read names no group."""

    topic_id: str
    partition: int
    offset: int
    group_id: int | None
    version: int | None
    reason: str
    detail: str


async def save_refusal(pool: asyncpg.Pool, refused: RefusedRecord) -> None:
    """Keep it, once for each record. Raises OutageError and SetupError."""
    with postgres_errors():
        await pool.execute(
            QUERIES["save_refusal"],
            refused.topic_id,
            refused.partition,
            refused.offset,
            refused.group_id,
            refused.version,
            refused.reason,
            refused.detail,
        )
