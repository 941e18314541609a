"""Delete old rows that no replay needs, in short steps while workers run."""

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
from unenroll.postgres.pool import check_tables, open_pool
from unenroll.postgres.retention import (
    TABLES,
    PruneCut,
    PrunedTable,
    RetainedOffset,
    lanes_of_prefix,
    prune_steps,
    table_size,
)
from unenroll.settings import WorkerSettings
from unenroll.text import clock_time, duration
from unenroll.wire.topics import Topic

_RETENTION = "retention.ms"


Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Shows progress: called with the activity and its size in bytes, it yields a function for the bytes just done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PruneOptions:
    """Which rows to delete. `force`: also those that a replay may need. `pause`: seconds to wait after each step."""

    older_than: timedelta
    force: bool = False
    dry_run: bool = False
    pause: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PruneResult:
    """How many rows of each table, decided before `before`, were deleted, or would be in a dry run."""

    dry_run: bool
    before: datetime
    rows: Mapping[str, int]


async def prune(settings: WorkerSettings, options: PruneOptions, progress: Progress) -> PruneResult:
    """Delete the rows, step by step. If an error ends it early, a repetition continues.

    Raises OutageError and SetupError, and UnenrollError if a replay may need the rows.
    """
    kafka, now = KafkaAdmin(settings), datetime.now(UTC)
    before = now - options.older_than
    async with open_pool(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        names = [settings.topic_prefix + topic for topic in (*INPUTS, Topic.DEAD_LETTERS)]
        topics = await existing_topics(kafka, names)
        floors = await _floors(settings, kafka, topics, now=now)
        if not options.force:
            _check_floors(floors, before)
        cut = PruneCut(
            before=before,
            topic_prefix=settings.topic_prefix,
            lanes=await lanes_of_prefix(pool, settings.topic_prefix),
            retained=[] if options.force else await _retained_offsets(settings, kafka, topics),
        )
        rows = {
            table.name: await _prune_table(pool, table, cut, options=options, progress=progress) for table in TABLES
        }
    return PruneResult(dry_run=options.dry_run, before=before, rows=rows)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Floor:
    """A reason not to delete rows from `at` on. `at` is None if no row may be deleted."""

    at: datetime | None
    why: str


async def _floors(
    settings: WorkerSettings, kafka: KafkaAdmin, topics: Mapping[str, KafkaTopic], *, now: datetime
) -> list[_Floor]:
    """The floors from the retention of the input topics and from the oldest dead letter.

    Raises OutageError and SetupError.
    """
    inputs = [settings.topic_prefix + topic for topic in INPUTS]
    configuration = await kafka.configuration(inputs)
    floors = [_retention_floor(name, int(configuration[name][_RETENTION]), now) for name in inputs]
    letter = await _oldest_letter(settings, kafka, topics[settings.topic_prefix + Topic.DEAD_LETTERS])
    if letter is not None:
        floors.append(_Floor(at=letter, why=f"the oldest dead letter is from {clock_time(letter)}"))
    return floors


def _retention_floor(topic: str, milliseconds: int, now: datetime) -> _Floor:
    if milliseconds < 0:
        return _Floor(at=None, why=f"{topic} keeps its records forever")
    length = timedelta(milliseconds=milliseconds)
    return _Floor(at=now - length, why=f"{topic} keeps its records for {duration(length)}")


async def _oldest_letter(settings: WorkerSettings, kafka: KafkaAdmin, topic: KafkaTopic) -> datetime | None:
    partitions = partitions_of([topic])
    first, end = await kafka.beginnings(partitions), await kafka.ends(partitions)
    times = await oldest_records(settings, {one: first[one] for one in partitions if first[one] < end[one]})
    return min(times.values(), default=None)


def _check_floors(floors: Iterable[_Floor], before: datetime) -> None:
    reasons = [floor.why for floor in floors if floor.at is None or before > floor.at]
    if reasons:
        raise UnenrollError(f"a replay may need these rows: {'; '.join(reasons)}. Raise --older-than, or use --force")


async def _retained_offsets(
    settings: WorkerSettings, kafka: KafkaAdmin, topics: Mapping[str, KafkaTopic]
) -> list[RetainedOffset]:
    """The first offset that each input partition still has."""
    partitions = partitions_of(topics[settings.topic_prefix + topic] for topic in INPUTS)
    return [
        RetainedOffset(topic_id=topics[partition.topic].topic_id, partition=partition.number, first=first)
        for partition, first in (await kafka.beginnings(partitions)).items()
    ]


async def _prune_table(
    pool: asyncpg.Pool, table: PrunedTable, cut: PruneCut, *, options: PruneOptions, progress: Progress
) -> int:
    size = await table_size(pool, table)
    deleted = 0
    with progress(f"prune {table.name}", size.blocks * size.block_bytes) as advance:
        async for step in prune_steps(pool, table, cut, blocks=size.blocks, dry_run=options.dry_run):
            deleted += step.rows
            advance(step.blocks * size.block_bytes)
            if step.rows and options.pause:
                await asyncio.sleep(options.pause)
    return deleted
