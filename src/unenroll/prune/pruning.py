"""Everything pruned that no replay needs any more, beside workers and in their way for moments at a time."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from unenroll.errors import UnenrollError
from unenroll.prune.floor import below, floors
from unenroll.settings import WorkerSettings
from unenroll.store.connect import check_tables, connected
from unenroll.store.pruning import TABLES, Cut, Held, Table, extent, lanes_of_prefix, prune_blocks
from unenroll.stream.cluster import Cluster, Topic, partitions_of
from unenroll.stream.topics import INPUTS, existing_topics
from unenroll.wire.names import Topic as Word

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Shows how far something is: what it is and how many bytes in all, then how many more are done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PruneOptions:
    """What is to be forgotten: all that is older. `force`: even what may still come back. `pause` is in seconds."""

    older_than: timedelta
    force: bool = False
    dry_run: bool = False
    pause: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """How many rows of each table were forgotten, or of a dry run would be: all that was decided before `before`."""

    dry_run: bool
    before: datetime
    rows: Mapping[str, int]


async def prune(settings: WorkerSettings, order: PruneOptions, progress: Progress) -> Pruned:
    """Forget it. Raises UnenrollError where that may still come back, OutageError and SetupError.

    Whatever breaks it off: what is forgotten by then stays so, and to do it again goes on.
    """
    cluster, now = Cluster(settings), datetime.now(UTC)
    before = now - order.older_than
    async with connected(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        topics = await existing_topics(cluster, [settings.topic_prefix + word for word in (*INPUTS, Word.DEAD_LETTERS)])
        risen = below(await floors(settings, cluster, topics, now=now), before)
        if risen and not order.force:
            reasons = "; ".join(floor.why for floor in risen)
            raise UnenrollError(f"this could come back: {reasons}. Prune less, or --force")
        cut = Cut(
            before=before,
            topic_prefix=settings.topic_prefix,
            lanes=await lanes_of_prefix(pool, settings.topic_prefix),
            held=[] if order.force else await _held(settings, cluster, topics),
        )
        rows = {table.name: await _table(pool, table, cut, order=order, progress=progress) for table in TABLES}
    return Pruned(dry_run=order.dry_run, before=before, rows=rows)


async def _held(settings: WorkerSettings, cluster: Cluster, topics: Mapping[str, Topic]) -> list[Held]:
    names = [settings.topic_prefix + word for word in INPUTS]
    places = partitions_of(topics[name] for name in names)
    return [
        Held(topic_id=topics[place.topic].topic_id, partition=place.number, first=first)
        for place, first in (await cluster.beginnings(places)).items()
    ]


async def _table(pool: asyncpg.Pool, table: Table, cut: Cut, *, order: PruneOptions, progress: Progress) -> int:
    size = await extent(pool, table)
    gone = 0
    with progress(f"prune {table.name}", size.blocks * size.block_bytes) as done:
        for blocks in size.steps():
            count = await prune_blocks(pool, table, cut, blocks=blocks, dry_run=order.dry_run)
            gone += count
            done((min(blocks[1], size.blocks) - blocks[0]) * size.block_bytes)
            if count and order.pause:
                await asyncio.sleep(order.pause)
    return gone
