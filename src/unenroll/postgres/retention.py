"""What is old and forgotten, some blocks of a table at a time, in a short transaction each."""

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
    """From this offset on, the topic still holds the records of the partition."""

    topic_id: str
    partition: int
    first: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PruneCut:
    """What is forgotten: what was decided before `before`, by these lanes or by `load`, of topics with this prefix.

    What `held` has can still be read again, so it is kept.
    """

    before: datetime
    topic_prefix: str
    lanes: Sequence[int]
    held: Sequence[RetainedOffset]


@dataclass(frozen=True, slots=True)
class PrunedTable:
    """A table that is pruned, and what its statements are told of the cut."""

    name: str
    told: Callable[[PruneCut], tuple[object, ...]]


def _decided(cut: PruneCut) -> tuple[object, ...]:
    columns = zip(*((held.topic_id, held.partition, held.first) for held in cut.held), strict=True)
    return (cut.lanes, *map(list, columns)) if cut.held else (cut.lanes, [], [], [])


TABLES = (
    PrunedTable("ledger", _decided),
    PrunedTable("api_requests", _decided),
    PrunedTable("dead_letters", _decided),
    PrunedTable("publications", lambda cut: (cut.lanes,)),
    PrunedTable("handled_letters", lambda cut: (cut.topic_prefix,)),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TableSize:
    """How large a table is."""

    blocks: int
    block_bytes: int

    def steps(self) -> list[tuple[int, int]]:
        """All its blocks, so many at a time: the first, and the one behind the last."""
        return [(begin, begin + _BLOCKS_AT_ONCE) for begin in range(0, self.blocks, _BLOCKS_AT_ONCE)]


async def lanes_of_prefix(pool: asyncpg.Pool, topic_prefix: str) -> list[int]:
    """The lanes of all groups that read the topics of the prefix. Raises OutageError and SetupError."""
    with postgres_errors():
        return [row["lane_id"] for row in await pool.fetch(QUERIES["lanes_of_prefix"], topic_prefix)]


async def table_size(pool: asyncpg.Pool, table: PrunedTable) -> TableSize:
    """How large the table is now. What comes later is not old. Raises OutageError and SetupError."""
    with postgres_errors():
        blocks, block_bytes = await pool.fetchrow(QUERIES["table_blocks"], table.name) or (0, 0)
    return TableSize(blocks=blocks, block_bytes=block_bytes)


async def prune_blocks(
    pool: asyncpg.Pool, table: PrunedTable, cut: PruneCut, *, blocks: tuple[int, int], dry_run: bool
) -> int:
    """Forget what is to be forgotten in these blocks, or only count it. Raises OutageError and SetupError."""
    query = QUERIES[f"{'prunable' if dry_run else 'prune'}_{table.name}"]
    first, last = blocks
    async with transaction(pool) as connection:
        count: int = await connection.fetchval(query, (first, 0), (last, 0), cut.before, *table.told(cut))
    return count
