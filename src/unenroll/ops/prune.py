"""Everything pruned that no replay needs any more, beside workers and in their way for moments at a time."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from unenroll.errors import UnenrollError
from unenroll.kafka.admin import KafkaAdmin, KafkaTopic, partitions_of
from unenroll.kafka.range_reader import oldest_records
from unenroll.kafka.topics import INPUTS, existing_topics
from unenroll.postgres.pool import check_tables, connected
from unenroll.postgres.retention import (
    TABLES,
    PruneCut,
    PrunedTable,
    RetainedOffset,
    lanes_of_prefix,
    prune_blocks,
    table_size,
)
from unenroll.settings import WorkerSettings
from unenroll.text import clock_time, duration
from unenroll.wire.topics import Topic as Word

_RETENTION = "retention.ms"


@dataclass(frozen=True, kw_only=True, slots=True)
class PruneFloor:
    """Nothing from `at` on is to be forgotten, and why; None: nothing at all."""

    at: datetime | None
    why: str


def below_floor(floors: Iterable[PruneFloor], cut: datetime) -> list[PruneFloor]:
    """Those of the floors that the cut is not below."""
    return [floor for floor in floors if floor.at is None or cut > floor.at]


async def prune_floors(
    settings: WorkerSettings, cluster: KafkaAdmin, topics: Mapping[str, KafkaTopic], *, now: datetime
) -> list[PruneFloor]:
    """What is to be kept. Raises OutageError and SetupError."""
    inputs = [settings.topic_prefix + word for word in INPUTS]
    found = await cluster.configuration(inputs)
    kept = [_of_retention(name, int(found[name][_RETENTION]), now) for name in inputs]
    letter = await _oldest_letter(settings, cluster, topics[settings.topic_prefix + Word.DEAD_LETTERS])
    if letter is not None:
        kept.append(PruneFloor(at=letter, why=f"the oldest dead letter is of {clock_time(letter)}"))
    return kept


def _of_retention(topic: str, milliseconds: int, now: datetime) -> PruneFloor:
    if milliseconds < 0:
        return PruneFloor(at=None, why=f"{topic} keeps its records for ever")
    length = timedelta(milliseconds=milliseconds)
    return PruneFloor(at=now - length, why=f"{topic} keeps its records for {duration(length)}")


async def _oldest_letter(settings: WorkerSettings, cluster: KafkaAdmin, topic: KafkaTopic) -> datetime | None:
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
class PruneResult:
    """How many rows of each table were forgotten, or of a dry run would be: all that was decided before `before`."""

    dry_run: bool
    before: datetime
    rows: Mapping[str, int]


async def prune(settings: WorkerSettings, order: PruneOptions, progress: Progress) -> PruneResult:
    """Forget it. Raises UnenrollError where that may still come back, OutageError and SetupError.

    Whatever breaks it off: what is forgotten by then stays so, and to do it again goes on.
    """
    cluster, now = KafkaAdmin(settings), datetime.now(UTC)
    before = now - order.older_than
    async with connected(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        topics = await existing_topics(cluster, [settings.topic_prefix + word for word in (*INPUTS, Word.DEAD_LETTERS)])
        risen = below_floor(await prune_floors(settings, cluster, topics, now=now), before)
        if risen and not order.force:
            reasons = "; ".join(floor.why for floor in risen)
            raise UnenrollError(f"this could come back: {reasons}. Prune less, or --force")
        cut = PruneCut(
            before=before,
            topic_prefix=settings.topic_prefix,
            lanes=await lanes_of_prefix(pool, settings.topic_prefix),
            held=[] if order.force else await _held(settings, cluster, topics),
        )
        rows = {table.name: await _table(pool, table, cut, order=order, progress=progress) for table in TABLES}
    return PruneResult(dry_run=order.dry_run, before=before, rows=rows)


async def _held(
    settings: WorkerSettings, cluster: KafkaAdmin, topics: Mapping[str, KafkaTopic]
) -> list[RetainedOffset]:
    names = [settings.topic_prefix + word for word in INPUTS]
    places = partitions_of(topics[name] for name in names)
    return [
        RetainedOffset(topic_id=topics[place.topic].topic_id, partition=place.number, first=first)
        for place, first in (await cluster.beginnings(places)).items()
    ]


async def _table(
    pool: asyncpg.Pool, table: PrunedTable, cut: PruneCut, *, order: PruneOptions, progress: Progress
) -> int:
    size = await table_size(pool, table)
    gone = 0
    with progress(f"prune {table.name}", size.blocks * size.block_bytes) as done:
        for blocks in size.steps():
            count = await prune_blocks(pool, table, cut, blocks=blocks, dry_run=order.dry_run)
            gone += count
            done((min(blocks[1], size.blocks) - blocks[0]) * size.block_bytes)
            if count and order.pause:
                await asyncio.sleep(order.pause)
    return gone
