"""Record the changes of committed offsets that operators make, and move the lanes with them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.lanes import LaneRow, lock_lane, move_lane
from unenroll.postgres.pool import transaction
from unenroll.postgres.queries import QUERIES

_MAX_CHANGES = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class OffsetChange:
    """The committed offset of one partition before (None: there was none) and after the change."""

    topic: str
    partition: int
    before: int | None
    offset: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OffsetChanges:
    """A change of offsets, by whom and why.

    `done_at` is None if the change was interrupted: Kafka may have the offsets before or after it.
    """

    change_id: int
    by: str
    why: str
    asked_at: datetime
    done_at: datetime | None
    partitions: tuple[OffsetChange, ...]


async def latest_offset_changes(pool: asyncpg.Pool, *, topic_prefix: str, group_id: str) -> list[OffsetChanges]:
    """Return the last ten changes of the group, the latest first. Raises OutageError and SetupError."""
    with postgres_errors():
        rows = await pool.fetch(QUERIES["latest_offset_changes"], topic_prefix, group_id, _MAX_CHANGES)
    return [
        OffsetChanges(
            change_id=row["change_id"],
            by=row["changed_by"],
            why=row["why"],
            asked_at=row["asked_at"],
            done_at=row["done_at"],
            partitions=tuple(_places(row)),
        )
        for row in rows
    ]


async def begin_offset_changes(
    pool: asyncpg.Pool, places: Sequence[OffsetChange], *, group: tuple[str, str], by: str, why: str
) -> int:
    """Record a change before it happens, and return its id. `group` is a topic prefix and a group id."""
    with postgres_errors():
        change_id: int = await pool.fetchval(
            QUERIES["begin_offset_changes"],
            *group,
            by,
            why,
            [place.topic for place in places],
            [place.partition for place in places],
            [place.before for place in places],
            [place.offset for place in places],
        )
    return change_id


@asynccontextmanager
async def offset_changes(
    pool: asyncpg.Pool, change_id: int, before: Sequence[LaneRow], *, after: Sequence[LaneRow]
) -> AsyncIterator[None]:
    """Save the lanes as in `after`, and mark the change as done, if the block succeeds.

    Raises LaneLostError if a lane differs from `before`.
    """
    async with transaction(pool) as connection:
        for old, new in zip(before, after, strict=True):
            await lock_lane(connection, old)
            await move_lane(connection, new)
        await connection.execute(QUERIES["finish_offset_changes"], change_id)
        yield


def _places(row: asyncpg.Record) -> list[OffsetChange]:
    columns = zip(row["topics"], row["partitions"], row["committed"], row["offsets"], strict=True)
    return [
        OffsetChange(topic=topic, partition=partition, before=before, offset=offset)
        for topic, partition, before, offset in columns
    ]
