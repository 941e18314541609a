"""Everything pruned that no replay needs any more, beside workers and in their way for moments at a time."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from unenroll.errors import UnenrollError
from unenroll.kafka.admin import Cluster, Topic, partitions_of
from unenroll.kafka.range_reader import oldest_records
from unenroll.kafka.topics import INPUTS, existing_topics
from unenroll.postgres.pool import check_tables, connected
from unenroll.postgres.retention import TABLES, Cut, Held, Table, extent, lanes_of_prefix, prune_blocks
from unenroll.settings import WorkerSettings
from unenroll.text import clock_time, duration
from unenroll.wire.topics import Topic as Word

_RETENTION = "retention.ms"


@dataclass(frozen=True, kw_only=True, slots=True)
class Floor:
    """Nothing from `at` on is to be forgotten, and why; None: nothing at all."""

    at: datetime | None
    why: str


def below(floors: Iterable[Floor], cut: datetime) -> list[Floor]:
    """Those of the floors that the cut is not below."""
    return [floor for floor in floors if floor.at is None or cut > floor.at]


async def floors(
    settings: WorkerSettings, cluster: Cluster, topics: Mapping[str, Topic], *, now: datetime
) -> list[Floor]:
    """What is to be kept. Raises OutageError and SetupError."""
    inputs = [settings.topic_prefix + word for word in INPUTS]
    found = await cluster.configuration(inputs)
    kept = [_of_retention(name, int(found[name][_RETENTION]), now) for name in inputs]
    letter = await _oldest_letter(settings, cluster, topics[settings.topic_prefix + Word.DEAD_LETTERS])
    if letter is not None:
        kept.append(Floor(at=letter, why=f"the oldest dead letter is of {clock_time(letter)}"))
    return kept


def _of_retention(topic: str, milliseconds: int, now: datetime) -> Floor:
    if milliseconds < 0:
        return Floor(at=None, why=f"{topic} keeps its records for ever")
    length = timedelta(milliseconds=milliseconds)
    return Floor(at=now - length, why=f"{topic} keeps its records for {duration(length)}")


async def _oldest_letter(settings: WorkerSettings, cluster: Cluster, topic: Topic) -> datetime | None:
    places = partitions_of([topic])
    first, end = await cluster.beginnings(places), await cluster.ends(places)
    times = await oldest_records(settings, {place: first[place] for place in places if first[place] < end[place]})
    return min(times.values(), default=None)


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
