"""Offsets that somebody sets: who, when and why, and what it means for the lanes."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.lanes import LaneRow, hold_lane, move_lane
from unenroll.postgres.pool import transaction
from unenroll.postgres.queries import QUERIES

_LATEST = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class OffsetChange:
    """One partition's committed offset: before (None: there was none), and from now on."""

    topic: str
    partition: int
    before: int | None
    offset: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OffsetChanges:
    """Somebody set offsets, and why. `done_at` None: it was broken off, and Kafka may say either."""

    move_id: int
    by: str
    why: str
    asked_at: datetime
    done_at: datetime | None
    places: tuple[OffsetChange, ...]


async def latest_offset_changes(pool: asyncpg.Pool, *, topic_prefix: str, group_id: str) -> list[OffsetChanges]:
    """The last ten, the latest first. Raises OutageError and SetupError."""
    with postgres_errors():
        rows = await pool.fetch(QUERIES["latest_moves"], topic_prefix, group_id, _LATEST)
    return [
        OffsetChanges(
            move_id=row["move_id"],
            by=row["moved_by"],
            why=row["why"],
            asked_at=row["asked_at"],
            done_at=row["done_at"],
            places=tuple(_places(row)),
        )
        for row in rows
    ]


async def begin_offset_changes(
    pool: asyncpg.Pool, places: Sequence[OffsetChange], *, group: tuple[str, str], by: str, why: str
) -> int:
    """Keep what is about to be done. `group`: its topic prefix and its id. Returns the number of the move."""
    with postgres_errors():
        move_id: int = await pool.fetchval(
            QUERIES["ask_to_move"],
            *group,
            by,
            why,
            [place.topic for place in places],
            [place.partition for place in places],
            [place.before for place in places],
            [place.offset for place in places],
        )
    return move_id


@asynccontextmanager
async def offset_changes(
    pool: asyncpg.Pool, move_id: int, before: Sequence[LaneRow], *, after: Sequence[LaneRow]
) -> AsyncIterator[None]:
    """The lanes are as they are in `after`, and the move is done, if the block ends well.

    Raises LaneLostError if a lane is not as it was before.
    """
    async with transaction(pool) as connection:
        for lane, moved in zip(before, after, strict=True):
            await hold_lane(connection, lane)
            await move_lane(connection, moved)
        await connection.execute(QUERIES["moved"], move_id)
        yield


def _places(row: asyncpg.Record) -> list[OffsetChange]:
    columns = zip(row["topics"], row["partitions"], row["committed"], row["offsets"], strict=True)
    return [
        OffsetChange(topic=topic, partition=partition, before=before, offset=offset)
        for topic, partition, before, offset in columns
    ]
