"""Read and write the rows of lanes: the epoch, the positions decided up to, and the last published decision."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import asyncpg

from unenroll.errors import LaneLostError, UnenrollError
from unenroll.postgres import pool as postgres_pool
from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.pool import Connection, transaction
from unenroll.postgres.queries import QUERIES
from unenroll.wire.topics import Position

_BLOCKED_SECONDS = 8.0  # less than the lock_timeout of a session
_HUNG_SECONDS = 10.0  # at least the statement_timeout of a session


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneKey:
    """Identifies a lane: one partition number of a group's input topics."""

    topic_prefix: str
    group_id: str
    partition: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneRow:
    """The row of a lane. `sequence` is the number of its last decision.

    `published` is a lower bound of the last published decision: the lane may have published more.
    """

    lane_id: int
    partition: int
    epoch: int
    sequence: int
    published: int
    positions: tuple[Position, ...]


async def take_lane(pool: asyncpg.Pool, key: LaneKey, *, as_worker: bool = True) -> LaneRow:
    """Increase the epoch of the lane and return its row: earlier owners cannot decide any more. Raises OutageError.

    If the caller takes the lane `as_worker`, the row has its version of the tables until it releases the lane.

    The former owner may be frozen during a COPY, where no time limit of Postgres applies, and lock the row. In that
    case its session is terminated.
    """
    version = postgres_pool.TABLES_VERSION if as_worker else None
    with postgres_errors():
        async with pool.acquire() as connection, _terminate_blockers(pool, connection):
            (row,) = await connection.fetch(
                QUERIES["take_lane"], key.topic_prefix, key.group_id, key.partition, version
            )
    return _lane_row(row)


@asynccontextmanager
async def _terminate_blockers(pool: asyncpg.Pool, connection: Connection) -> AsyncIterator[None]:
    """If the block takes long, terminate the hung sessions that block the connection."""
    task = asyncio.create_task(_terminate_blockers_later(pool, connection.get_server_pid()))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _terminate_blockers_later(pool: asyncpg.Pool, pid: int) -> None:
    await asyncio.sleep(_BLOCKED_SECONDS)
    with suppress(UnenrollError), postgres_errors():  # the statement that is blocked reports its own error
        await pool.execute(QUERIES["terminate_hung_blockers"], pid, _HUNG_SECONDS)


async def lock_lane(connection: Connection, lane: LaneRow) -> None:
    """Lock the row of the lane until the transaction ends. Raises LaneLostError unless it is equal to `lane`."""
    row = await connection.fetchrow(QUERIES["lock_lane"], lane.lane_id)
    if row is None or row["epoch"] != lane.epoch:
        raise LaneLostError("another worker has taken the lane")
    if row["sequence"] != lane.sequence or _positions(row) != lane.positions:
        raise LaneLostError("the batch does not start where the last decision of the lane ended")


async def check_lane(pool: asyncpg.Pool, lane: LaneRow) -> None:
    """Raise LaneLostError unless the row of the lane is equal to `lane`. Raises OutageError."""
    async with transaction(pool) as connection:
        await lock_lane(connection, lane)


class PendingBatch(NamedTuple):
    """The packed messages of a batch. `first_sequence` is the number of its first decision."""

    first_sequence: int
    outputs: bytes
    decided_at: datetime


async def move_lane(connection: Connection, lane: LaneRow, batch: PendingBatch | None = None) -> None:
    """Save the new positions of the lane and the batch to publish, in the transaction of the batch.

    Raises LaneLostError.
    """
    columns = (
        lane.lane_id,
        lane.epoch,
        lane.sequence,
        lane.published,
        [position.topic for position in lane.positions],
        [position.topic_id for position in lane.positions],
        [position.partitions for position in lane.positions],
        [position.offset for position in lane.positions],
    )
    if batch is None:
        lane_id = await connection.fetchval(QUERIES["move_lane"], *columns)
    else:
        lane_id = await connection.fetchval(QUERIES["move_lane_and_publish"], *columns, *batch)
    if lane_id is None:
        raise LaneLostError("another worker has taken the lane")


async def reposition(pool: asyncpg.Pool, lane: LaneRow) -> None:
    """Save the positions from which the lane reads, before it reads anything. Raises LaneLostError and OutageError."""
    with postgres_errors():
        async with pool.acquire() as connection:
            await move_lane(connection, lane)


async def save_published(pool: asyncpg.Pool, lane: LaneRow) -> None:
    """Save the last published decision of the lane. Does nothing if another worker has taken the lane."""
    with postgres_errors():
        await pool.execute(QUERIES["save_published"], lane.lane_id, lane.epoch, lane.published)


async def release_lane(pool: asyncpg.Pool, lane: LaneRow) -> None:
    """Save the last published decision of the lane, and that no worker owns the lane.

    Does nothing if another worker has taken the lane.
    """
    with postgres_errors():
        await pool.execute(QUERIES["release_lane"], lane.lane_id, lane.epoch, lane.published)


async def publications_above(pool: asyncpg.Pool, lane: LaneRow, sequence: int) -> list[bytes]:
    """Return the packed messages of the batches after this decision of the lane, in order."""
    with postgres_errors():
        rows = await pool.fetch(QUERIES["publications_above"], lane.lane_id, sequence)
    return [row["outputs"] for row in rows]


async def has_read(pool: asyncpg.Pool, key: LaneKey, topic: str, *, topic_id: str) -> bool:
    """Return whether the group has read the topic under another id, or before it had the partition of the lane."""
    with postgres_errors():
        found: bool = await pool.fetchval(
            QUERIES["has_read"], key.topic_prefix, key.group_id, topic, topic_id, key.partition
        )
    return found


def _lane_row(row: asyncpg.Record) -> LaneRow:
    """Return the lane in a row of table `lanes`."""
    return LaneRow(
        lane_id=row["lane_id"],
        partition=row["partition"],
        epoch=row["epoch"],
        sequence=row["sequence"],
        published=row["published"],
        positions=_positions(row),
    )


def _positions(row: asyncpg.Record) -> tuple[Position, ...]:
    columns = zip(row["topics"], row["topic_ids"], row["partition_counts"], row["positions"], strict=True)
    return tuple(
        Position(topic=topic, topic_id=topic_id, partitions=partitions, offset=offset)
        for topic, topic_id, partitions, offset in columns
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneBacklog:
    """A lane, and the number of its batches above the last decision that is known to be published."""

    row: LaneRow
    unpublished: int


async def group_lanes(pool: asyncpg.Pool, *, topic_prefix: str, group_id: str) -> list[LaneBacklog]:
    """Return the lanes of the group by partition. Raises OutageError and SetupError."""
    with postgres_errors():
        rows = await pool.fetch(QUERIES["group_backlogs"], topic_prefix, group_id)
    return [LaneBacklog(row=_lane_row(row), unpublished=row["unpublished"]) for row in rows]
