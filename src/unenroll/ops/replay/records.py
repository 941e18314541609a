"""A replay of records from beginning to end: read, held against the ledger, sent where missing, told of."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from unenroll.kafka.admin import KafkaAdmin, TopicPartitionNumber
from unenroll.kafka.consumer_group import GroupCoordinator, committed_by
from unenroll.ops.files import lines, total_bytes
from unenroll.ops.progress import BadLines, bad_lines, counted, progress
from unenroll.ops.publish import Sender, most_bytes
from unenroll.ops.replay.in_flight import InFlight, RateLimit
from unenroll.ops.replay.selection import InputPartition, Ranges, ReplaySelection, length, ranges, read_before
from unenroll.ops.replay.sources import FileSource, ReplaySource, TopicSource
from unenroll.ops.replay.suppress import RecordReplay, ReplaySender
from unenroll.ops.report import ReportSheet, counts
from unenroll.postgres.pool import check_tables, connected
from unenroll.settings import WorkerSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayResult:
    """How many records were read, and what became of them.

    `unread` are offsets that were left out, because the lanes are yet to read them. `missing` were sent, or would be
    without `dry_run`; `became` and `dead_lettered` say what the lanes made of those, `undecided` were not waited for.
    `unsendable` cannot be sent as they are: the topic takes less, or their headers cannot be read. `go_on`: the
    arguments that read on where it was `stopped`.
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
    became: Mapping[str, int]
    dead_lettered: Mapping[str, int]
    undecided: int
    go_on: str


def replay_result(done: RecordReplay, source: ReplaySource, *, bad: int) -> ReplayResult:
    """The result of a replay that has ended, or was stopped."""
    found, lead = done.counts, done.lead
    became = lead.became if lead is not None else {}
    return ReplayResult(
        dry_run=done.dry_run,
        stopped=done.stopping.is_set(),
        read=found["read"],
        unread=source.unread,
        unchosen=found["unchosen"],
        decided_before=found["decided"],
        dead_lettered_before=found["buried"],
        erased=found["erased"],
        missing=found["missing"],
        unsendable=found["unsendable"],
        bad=bad,
        definitions=found["definitions"],
        became={one.what: count for one, count in sorted(became.items()) if not one.dead},
        dead_lettered={one.what: count for one, count in sorted(became.items()) if one.dead},
        undecided=lead.count if lead is not None else 0 if done.dry_run else found["missing"],
        go_on=source.go_on(),
    )


def sheet(result: ReplayResult) -> ReportSheet:
    """The report."""
    missing = "missing, and would be sent" if result.dry_run else "missing, and sent to the lanes"
    return ReportSheet(
        title="Replay (dry run)" if result.dry_run else "Replay",
        sentences=tuple(_sentences(result)),
        tables=(
            counts(
                "Records",
                (
                    ("read", result.read),
                    ("left out by the selection", result.unchosen),
                    ("decided before: nothing is published again", result.decided_before),
                    ("dead-lettered before: not again", result.dead_lettered_before),
                    ("of customers who were erased since: never again", result.erased),
                    (missing, result.missing),
                    ("cannot be sent as they are", result.unsendable),
                    ("bad lines", result.bad),
                    ("definitions newer than those in force", result.definitions),
                ),
            ),
            counts("What the lanes decided", result.became.items()),
            counts("What the lanes dead-lettered", result.dead_lettered.items()),
        ),
    )


def _sentences(result: ReplayResult) -> list[str]:
    said = [f"{result.read:,} records were held against the ledger."]
    if result.undecided:
        said.append(f"{result.undecided:,} of those that were sent are not known to be decided yet.")
    if result.unread:
        said.append(f"{result.unread:,} offsets were left to the lanes, which are yet to read them.")
    if result.stopped:
        said.append("It was stopped before its end.")
    return said


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayOptions:
    """What is to be replayed, and how.

    `prefix` begins the names of the topics to read; None: `files` are read. `most` records may be under way before the
    lanes have decided them, which may stand still for so many seconds of `patience`; None: they are not waited for.
    """

    selection: ReplaySelection
    prefix: str | None
    files: tuple[Path, ...]
    rate: float | None
    most: int
    patience: float | None
    dry_run: bool


async def replay_records(settings: WorkerSettings, order: ReplayOptions, *, stopping: asyncio.Event) -> ReplayResult:
    """Replay them. Raises OutageError, SetupError and UnenrollError: the same replay may then be tried again."""
    limits = await most_bytes(settings)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(connected(settings.database_url, connections=1))
        await check_tables(pool)
        lead = None
        if order.patience is not None and not order.dry_run:
            coordinator = await stack.enter_async_context(GroupCoordinator(settings))
            lead = InFlight(pool=pool, coordinator=coordinator, most=order.most, patience=order.patience)
        bad = stack.enter_context(bad_lines(order.files))
        source = await stack.enter_async_context(_source(settings, order, limits=limits, bad=bad))
        sender = Sender(settings, batch_bytes=min(limits.values()))
        suppressing = RecordReplay(
            pool=pool,
            selection=order.selection,
            sending=ReplaySender(sender=sender, prefix=settings.topic_prefix, limits=limits),
            lead=lead,
            pace=RateLimit(order.rate),
            stopping=stopping,
            dry_run=order.dry_run,
        )
        await suppressing.run(source)
        return replay_result(suppressing, source, bad=bad.count)


@asynccontextmanager
async def _source(
    settings: WorkerSettings, order: ReplayOptions, *, limits: dict[str, int], bad: BadLines
) -> AsyncIterator[ReplaySource]:
    if order.prefix is None:
        with progress("replay", total_bytes(order.files)) as done:
            yield FileSource(lines=lines(order.files, done), prefix=settings.topic_prefix, limits=limits, bad=bad)
        return
    asked = await ranges(KafkaAdmin(settings), order.prefix, order.selection)
    found = asked if order.prefix != settings.topic_prefix else read_before(asked, await _committed(settings, asked))
    unread = length(asked) - length(found)
    with progress("replay", length(found), counted("records")) as done:
        yield TopicSource(settings=settings, prefix=order.prefix, ranges=found, unread=unread, done=done)


async def _committed(settings: WorkerSettings, asked: Ranges) -> dict[InputPartition, int]:
    """How far the group has read the topics."""
    places = {TopicPartitionNumber(topic=settings.topic_prefix + one.topic, number=one.partition): one for one in asked}
    committed = await committed_by(settings, places)
    return {places[place]: found.offset for place, found in committed.items() if found is not None}
