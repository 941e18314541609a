"""Delete old rows, a few blocks of a table at a time, each in a short transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.pool import transaction
from unenroll.postgres.queries import QUERIES

_BLOCKS_AT_ONCE = 256


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

    def steps(self) -> list[tuple[int, int]]:
        """Return ranges of blocks: the first one, and the one after the last."""
        return [(begin, begin + _BLOCKS_AT_ONCE) for begin in range(0, self.blocks, _BLOCKS_AT_ONCE)]


async def lanes_of_prefix(pool: asyncpg.Pool, topic_prefix: str) -> list[int]:
    """Return the ids of the lanes that read topics with this prefix. Raises OutageError and SetupError."""
    with postgres_errors():
        return [row["lane_id"] for row in await pool.fetch(QUERIES["lanes_of_prefix"], topic_prefix)]


async def table_size(pool: asyncpg.Pool, table: PrunedTable) -> TableSize:
    """Return the size of the table now. Rows that are added later are not old. Raises OutageError and SetupError."""
    with postgres_errors():
        blocks, block_bytes = await pool.fetchrow(QUERIES["table_blocks"], table.name) or (0, 0)
    return TableSize(blocks=blocks, block_bytes=block_bytes)


async def prune_blocks(
    pool: asyncpg.Pool, table: PrunedTable, cut: PruneCut, *, blocks: tuple[int, int], dry_run: bool
) -> int:
    """Delete the old rows in these blocks, or only count them, and return their number.

    Raises OutageError and SetupError.
    """
    query = QUERIES[f"{'prunable' if dry_run else 'prune'}_{table.name}"]
    first, last = blocks
    async with transaction(pool) as connection:
        count: int = await connection.fetchval(query, (first, 0), (last, 0), cut.before, *table.arguments(cut))
    return count
