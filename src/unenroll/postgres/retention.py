"""Delete old rows, a few blocks of a table at a time, each in a short transaction."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import NamedTuple

import asyncpg

from unenroll.errors import OutageError
from unenroll.postgres.errors import postgres_errors, took_too_long
from unenroll.postgres.pool import transaction
from unenroll.postgres.queries import QUERIES

_FIRST_BLOCKS = 16
_MAX_BLOCKS = 256
_STEP_SECONDS = 1.0
"""About how long a step may take. A block of the outbox has some 100 batches, each of up to 8 MiB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetainedOffset:
    """The first offset of a partition that its topic still holds."""

    topic_id: str
    partition: int
    first: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PruneCut:
    """What to delete: rows from before this time, of these lanes or of `load`, of topics with this prefix.

    Rows of records at or after the `retained` offsets stay, since the worker can still read these records again.
    """

    before: datetime
    topic_prefix: str
    lanes: Sequence[int]
    retained: Sequence[RetainedOffset]


@dataclass(frozen=True, slots=True)
class PrunedTable:
    """A table that is pruned, and the arguments of its statements after the blocks and the time."""

    name: str
    arguments: Callable[[PruneCut], tuple[object, ...]]


def _lanes_and_offsets(cut: PruneCut) -> tuple[object, ...]:
    offsets = cut.retained
    return (
        cut.lanes,
        [offset.topic_id for offset in offsets],
        [offset.partition for offset in offsets],
        [offset.first for offset in offsets],
    )


TABLES = (
    PrunedTable("ledger", _lanes_and_offsets),
    PrunedTable("api_requests", _lanes_and_offsets),
    PrunedTable("dead_letters", _lanes_and_offsets),
    PrunedTable("publications", lambda cut: (cut.lanes,)),
    PrunedTable("handled_letters", lambda cut: (cut.topic_prefix,)),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TableSize:
    """The size of a table."""

    blocks: int
    block_bytes: int


class PruneStep(NamedTuple):
    """How many blocks of a table a step has read, and how many rows it has deleted or counted."""

    blocks: int
    rows: int


async def lanes_of_prefix(pool: asyncpg.Pool, topic_prefix: str) -> list[int]:
    """Return the ids of the lanes that read topics with this prefix. Raises OutageError and SetupError."""
    with postgres_errors():
        return [row["lane_id"] for row in await pool.fetch(QUERIES["lanes_of_prefix"], topic_prefix)]


async def table_size(pool: asyncpg.Pool, table: PrunedTable) -> TableSize:
    """Return the size of the table now. Rows that are added later are not old. Raises OutageError and SetupError."""
    with postgres_errors():
        blocks, block_bytes = await pool.fetchrow(QUERIES["table_blocks"], table.name) or (0, 0)
    return TableSize(blocks=blocks, block_bytes=block_bytes)


async def prune_steps(
    pool: asyncpg.Pool, table: PrunedTable, cut: PruneCut, *, blocks: int, dry_run: bool
) -> AsyncIterator[PruneStep]:
    """Delete the old rows in the first `blocks` of the table, or only count them, and yield each step.

    A step that is slow is followed by a smaller one. Raises OutageError and SetupError.
    """
    query = QUERIES[f"{'prunable' if dry_run else 'prune'}_{table.name}"]
    first, most = 0, _FIRST_BLOCKS
    while first < blocks:
        end, start = min(first + most, blocks), monotonic()
        try:
            async with transaction(pool) as connection:
                rows = await connection.fetchval(query, (first, 0), (end, 0), cut.before, *table.arguments(cut))
        except OutageError as outage:
            if most == 1 or not took_too_long(outage):
                raise
            most //= 2
            continue
        yield PruneStep(end - first, rows)
        first, most = end, _next_blocks(most, seconds=monotonic() - start)


def _next_blocks(blocks: int, *, seconds: float) -> int:
    """Return how many blocks the next step reads, after one that took this long."""
    if seconds > _STEP_SECONDS:
        return max(1, blocks // 2)
    return min(_MAX_BLOCKS, blocks * 2) if seconds < _STEP_SECONDS / 4 else blocks
