"""The lane's row: its epoch, how far it has decided, and how far it is known to have published."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import asyncpg

from unenroll.errors import LaneLostError, UnenrollError
from unenroll.postgres import pool as connect
from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.pool import Connection, transaction
from unenroll.postgres.queries import QUERIES
from unenroll.wire.topics import Position

_LOCKED_SECONDS = 8.0  # less than Postgres lets a statement wait for a lock
_HUNG_SECONDS = 10.0  # longer than a statement may take


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneKey:
    """Who a lane is, for ever: one partition number of a group's input topics."""

    topic_prefix: str
    group_id: str
    partition: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneRow:
    """A lane as Postgres knows it. `sequence` numbers its decisions; `published` is a lower bound of what went out."""

    lane_id: int
    partition: int
    epoch: int
    sequence: int
    published: int
    positions: tuple[Position, ...]


async def take_lane(pool: asyncpg.Pool, key: LaneKey, *, to_work: bool = True) -> LaneRow:
    """Raise the lane's epoch and return its row: nobody who took it before can decide any more. Raises OutageError.

    The row says which tables whoever takes the lane `to_work` was written for, until it leaves the lane.

    If the row stays locked, its former owner may be frozen amid a COPY, where no time-out of Postgres reaches it: then
    its session is ended.
    """
    version = connect.TABLES_VERSION if to_work else None
    named = (key.topic_prefix, key.group_id, key.partition, version)
    with postgres_errors():
        async with pool.acquire() as connection, _hung_ended(pool, connection):
            (row,) = await connection.fetch(QUERIES["take_lane"], *named)
    return lane_row(row)


@asynccontextmanager
async def _hung_ended(pool: asyncpg.Pool, connection: Connection) -> AsyncIterator[None]:
    """If the block takes long, end the hung sessions that block the connection then."""
    ending = asyncio.create_task(_end_hung(pool, connection.get_server_pid()))
    try:
        yield
    finally:
        ending.cancel()
        await asyncio.wait([ending])


async def _end_hung(pool: asyncpg.Pool, blocked: int) -> None:
    await asyncio.sleep(_LOCKED_SECONDS)
    with suppress(UnenrollError), postgres_errors():  # the lane is not taken then, which says enough
        await pool.execute(QUERIES["end_hung"], blocked, _HUNG_SECONDS)


async def hold_lane(connection: Connection, lane: LaneRow) -> None:
    """Lock the lane's row until the transaction ends. Raises LaneLostError unless it is still as `lane` says."""
    found = await connection.fetchrow(QUERIES["hold_lane"], lane.lane_id)
    if found is None or found["epoch"] != lane.epoch:
        raise LaneLostError("another worker took the lane")
    if found["sequence"] != lane.sequence or _positions(found) != lane.positions:
        raise LaneLostError("the batch does not begin where the lane has decided up to")


async def check_held(pool: asyncpg.Pool, lane: LaneRow) -> None:
    """Raise LaneLostError unless the lane's row is still as `lane` says. Raises OutageError."""
    async with transaction(pool) as connection:
        await hold_lane(connection, lane)


class PendingBatch(NamedTuple):
    """The packed outputs of a batch whose decisions begin with this number."""

    first_sequence: int
    outputs: bytes
    decided_at: datetime


async def move_lane(connection: Connection, lane: LaneRow, publication: PendingBatch | None = None) -> None:
    """Write how far the lane has decided, and what is to be published, in the batch's own transaction.

    Raises LaneLostError.
    """
    place = (
        lane.lane_id,
        lane.epoch,
        lane.sequence,
        lane.published,
        [position.topic for position in lane.positions],
        [position.topic_id for position in lane.positions],
        [position.partitions for position in lane.positions],
        [position.offset for position in lane.positions],
    )
    if publication is None:
        moved = await connection.fetchval(QUERIES["move_lane"], *place)
    else:
        moved = await connection.fetchval(QUERIES["move_lane_publishing"], *place, *publication)
    if moved is None:
        raise LaneLostError("another worker took the lane")


async def reposition(pool: asyncpg.Pool, lane: LaneRow) -> None:
    """Write where the lane goes on from, before anything is read. Raises LaneLostError and OutageError."""
    with postgres_errors():
        async with pool.acquire() as connection:
            await move_lane(connection, lane)


async def note_published(pool: asyncpg.Pool, lane: LaneRow) -> None:
    """Write how far the lane has published. Does nothing if another worker took it."""
    with postgres_errors():
        await pool.execute(QUERIES["lane_published"], lane.lane_id, lane.epoch, lane.published)


async def leave_lane(pool: asyncpg.Pool, lane: LaneRow) -> None:
    """Write how far the lane has published and that nobody holds it. Does nothing if another worker took it."""
    with postgres_errors():
        await pool.execute(QUERIES["leave_lane"], lane.lane_id, lane.epoch, lane.published)


async def publications_above(pool: asyncpg.Pool, lane: LaneRow, sequence: int) -> list[bytes]:
    """The packed outputs that the lane decided after this number, in the order of the decisions."""
    with postgres_errors():
        rows = await pool.fetch(QUERIES["publications_above"], lane.lane_id, sequence)
    return [row["outputs"] for row in rows]


async def has_read(pool: asyncpg.Pool, key: LaneKey, topic: str, *, topic_id: str) -> bool:
    """Whether the group has read the topic when it had another id, or when it did not have the lane's partition yet."""
    with postgres_errors():
        found: bool = await pool.fetchval(
            QUERIES["has_read"], key.topic_prefix, key.group_id, topic, topic_id, key.partition
        )
    return found


def lane_row(row: asyncpg.Record) -> LaneRow:
    """The lane in a row of the table."""
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
class LaneBehind:
    """A lane, and how many batches it has decided that are not known to be published."""

    row: LaneRow
    unpublished: int


async def lanes_of(pool: asyncpg.Pool, *, topic_prefix: str, group_id: str) -> list[LaneBehind]:
    """The lanes of the group, by number. Raises OutageError and SetupError."""
    with postgres_errors():
        rows = await pool.fetch(QUERIES["lanes_of_group"], topic_prefix, group_id)
    return [LaneBehind(row=lane_row(row), unpublished=row["unpublished"]) for row in rows]
