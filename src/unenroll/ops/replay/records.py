"""Replay records from files or topics, and report what happened to them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from unenroll.kafka.admin import KafkaAdmin, TopicPartitionNumber
from unenroll.kafka.consumer_group import GroupCoordinator, committed_by
from unenroll.ops.files import lines, total_bytes
from unenroll.ops.progress import BadLines, bad_lines, count_unit, progress
from unenroll.ops.publish import Sender, batch_limits_by_topic
from unenroll.ops.replay.in_flight import InFlight, RateLimit
from unenroll.ops.replay.selection import (
    InputPartition,
    PartitionRanges,
    ReplaySelection,
    offset_count,
    partition_ranges,
    processed_ranges,
)
from unenroll.ops.replay.sources import FileSource, ReplaySource, TopicSource
from unenroll.ops.replay.suppress import RecordReplay, ReplaySender
from unenroll.ops.report import ReportSheet, counts
from unenroll.postgres.pool import check_tables, open_pool
from unenroll.settings import WorkerSettings
from unenroll.text import plural


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayOptions:
    """What to replay, and how.

    `prefix` is the prefix of the topics to read; None: read `files`. At most `ahead` records are sent and not decided
    at any time. `patience` is how many seconds the lanes may make no progress; None: do not wait for them. `rate`:
    records per second, None: no limit.
    """

    selection: ReplaySelection
    prefix: str | None
    files: tuple[Path, ...]
    rate: float | None
    ahead: int
    patience: float | None
    dry_run: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayResult:
    """How many records were read, and what happened to them.

    `unread` counts offsets that were left out because the lanes have not read them yet. `unchosen` counts records that
    the selection left out. `missing` counts the records that were sent (in a dry run: would be). `outcomes` and
    `dead_lettered` count what the lanes made of these; `undecided` are not known to be decided yet. `unsendable`
    records cannot be sent as they came, because they do not fit the topic or their headers cannot be read. `go_on` are
    the arguments that continue a replay that was `stopped`.
    """

    dry_run: bool
    stopped: bool
    read: int
    unread: int
    unchosen: int
    decided_before: int
    dead_lettered_before: int
    erased: int
    missing: int
    unsendable: int
    bad: int
    definitions: int
    outcomes: Mapping[str, int]
    dead_lettered: Mapping[str, int]
    undecided: int
    go_on: str


async def replay_records(settings: WorkerSettings, options: ReplayOptions, *, stopping: asyncio.Event) -> ReplayResult:
    """Replay the records until all are done or stopping. It is safe to repeat after any error.

    Raises OutageError, SetupError, and UnenrollError if the lanes make no progress.
    """
    limits = await batch_limits_by_topic(settings)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(settings.database_url, connections=1))
        await check_tables(pool)
        in_flight = None
        if options.patience is not None and not options.dry_run:
            coordinator = await stack.enter_async_context(GroupCoordinator(settings))
            in_flight = InFlight(pool=pool, coordinator=coordinator, limit=options.ahead, patience=options.patience)
        bad = stack.enter_context(bad_lines(options.files))
        source = await stack.enter_async_context(_source(settings, options, limits=limits, bad=bad))
        sender = Sender(settings, batch_bytes=min(limits.values()))
        replay = RecordReplay(
            pool=pool,
            selection=options.selection,
            sender=ReplaySender(sender=sender, prefix=settings.topic_prefix, limits=limits),
            in_flight=in_flight,
            rate_limit=RateLimit(options.rate),
            stopping=stopping,
            dry_run=options.dry_run,
        )
        await replay.run(source)
        return _result(replay, source, bad=bad.count)


@asynccontextmanager
async def _source(
    settings: WorkerSettings, options: ReplayOptions, *, limits: dict[str, int], bad: BadLines
) -> AsyncIterator[ReplaySource]:
    if options.prefix is None:
        with progress("replay", total_bytes(options.files)) as advance:
            file_lines = lines(options.files, advance)
            yield FileSource(lines=file_lines, prefix=settings.topic_prefix, limits=limits, bad=bad)
        return
    selected = await partition_ranges(KafkaAdmin(settings), options.prefix, options.selection)
    ranges = selected
    if options.prefix == settings.topic_prefix:
        ranges = processed_ranges(selected, await _committed(settings, selected))
    unread = offset_count(selected) - offset_count(ranges)
    with progress("replay", offset_count(ranges), count_unit("records")) as advance:
        yield TopicSource(settings=settings, prefix=options.prefix, ranges=ranges, unread=unread, advance=advance)


async def _committed(settings: WorkerSettings, ranges: PartitionRanges) -> dict[InputPartition, int]:
    """Return the group's committed offsets of these partitions."""
    prefix = settings.topic_prefix
    partitions = {TopicPartitionNumber(topic=prefix + one.topic, number=one.partition): one for one in ranges}
    committed = await committed_by(settings, partitions)
    return {partitions[number]: one.offset for number, one in committed.items() if one is not None}


def _result(replay: RecordReplay, source: ReplaySource, *, bad: int) -> ReplayResult:
    found, in_flight = replay.counts, replay.in_flight
    results = sorted(in_flight.results.items()) if in_flight is not None else []
    sent = 0 if replay.dry_run else found["missing"]
    return ReplayResult(
        dry_run=replay.dry_run,
        stopped=replay.stopping.is_set(),
        read=found["read"],
        unread=source.unread,
        unchosen=found["unselected"],
        decided_before=found["decided"],
        dead_lettered_before=found["dead_lettered"],
        erased=found["erased"],
        missing=found["missing"],
        unsendable=found["unsendable"],
        bad=bad,
        definitions=found["definitions"],
        outcomes={one.outcome: count for one, count in results if not one.is_dead_letter},
        dead_lettered={one.outcome: count for one, count in results if one.is_dead_letter},
        undecided=sent if in_flight is None else in_flight.count,
        go_on=source.resume_arguments(),
    )


def replay_sheet(result: ReplayResult) -> ReportSheet:
    """Return the report of the replay."""
    missing = "missing: would be sent to the lanes" if result.dry_run else "missing: sent to the lanes"
    return ReportSheet(
        title="Replay (dry run)" if result.dry_run else "Replay",
        sentences=tuple(_sentences(result)),
        tables=(
            counts(
                "Records",
                (
                    ("read", result.read),
                    ("not selected", result.unchosen),
                    ("decided before: not sent", result.decided_before),
                    ("dead-lettered before: not sent", result.dead_lettered_before),
                    ("of customers who were erased since: not sent", result.erased),
                    (missing, result.missing),
                    ("missing, but too large or with unreadable headers: not sent", result.unsendable),
                    ("bad lines: not sent", result.bad),
                    ("definitions newer than those in force", result.definitions),
                ),
            ),
            counts("What the lanes decided", result.outcomes.items()),
            counts("What the lanes dead-lettered", result.dead_lettered.items()),
        ),
    )


def _sentences(result: ReplayResult) -> list[str]:
    sentences = [f"Compared {plural(result.read, 'record')} with the ledger."]
    if result.undecided:
        sentences.append(f"Sent {plural(result.undecided, 'record')} that may not be decided yet.")
    if result.unread:
        sentences.append(f"Left out {plural(result.unread, 'offset')} that the lanes have not read yet.")
    if result.stopped:
        sentences.append("The replay was stopped before its end.")
    return sentences
