"""A replay of records from beginning to end: read, held against the ledger, sent where missing, told of."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from unenroll.ndjson.bad_lines import BadLines, bad_lines
from unenroll.ndjson.files import total_bytes
from unenroll.ndjson.lines import lines
from unenroll.ndjson.progress import counted, progress
from unenroll.publish.publishing import most_bytes
from unenroll.publish.sender import Sender
from unenroll.replay.from_files import FromFiles
from unenroll.replay.from_topics import FromTopics
from unenroll.replay.lead import Lead
from unenroll.replay.pace import Pace
from unenroll.replay.ranges import Ranges, length, ranges, read_before
from unenroll.replay.selection import Place, Selection
from unenroll.replay.sending import Sending
from unenroll.replay.source import Source
from unenroll.replay.suppress import Suppressing
from unenroll.replay.suppressed import Suppressed, suppressed
from unenroll.settings import WorkerSettings
from unenroll.store.connect import check_tables, connected
from unenroll.stream.cluster import Cluster, Partition
from unenroll.stream.coordinator import Coordinator, committed_by


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayOptions:
    """What is to be replayed, and how.

    `prefix` begins the names of the topics to read; None: `files` are read. `most` records may be under way before the
    lanes have decided them, which may stand still for so many seconds of `patience`; None: they are not waited for.
    """

    selection: Selection
    prefix: str | None
    files: tuple[Path, ...]
    rate: float | None
    most: int
    patience: float | None
    dry_run: bool


async def replay_records(settings: WorkerSettings, order: ReplayOptions, *, stopping: asyncio.Event) -> Suppressed:
    """Replay them. Raises OutageError, SetupError and UnenrollError: the same replay may then be tried again."""
    limits = await most_bytes(settings)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(connected(settings.database_url, connections=1))
        await check_tables(pool)
        lead = None
        if order.patience is not None and not order.dry_run:
            coordinator = await stack.enter_async_context(Coordinator(settings))
            lead = Lead(pool=pool, coordinator=coordinator, most=order.most, patience=order.patience)
        bad = stack.enter_context(bad_lines(order.files))
        source = await stack.enter_async_context(_source(settings, order, limits=limits, bad=bad))
        sender = Sender(settings, batch_bytes=min(limits.values()))
        suppressing = Suppressing(
            pool=pool,
            selection=order.selection,
            sending=Sending(sender=sender, prefix=settings.topic_prefix, limits=limits),
            lead=lead,
            pace=Pace(order.rate),
            stopping=stopping,
            dry_run=order.dry_run,
        )
        await suppressing.run(source)
        return suppressed(suppressing, source, bad=bad.count)


@asynccontextmanager
async def _source(
    settings: WorkerSettings, order: ReplayOptions, *, limits: dict[str, int], bad: BadLines
) -> AsyncIterator[Source]:
    if order.prefix is None:
        with progress("replay", total_bytes(order.files)) as done:
            yield FromFiles(lines=lines(order.files, done), prefix=settings.topic_prefix, limits=limits, bad=bad)
        return
    asked = await ranges(Cluster(settings), order.prefix, order.selection)
    found = asked if order.prefix != settings.topic_prefix else read_before(asked, await _committed(settings, asked))
    unread = length(asked) - length(found)
    with progress("replay", length(found), counted("records")) as done:
        yield FromTopics(settings=settings, prefix=order.prefix, ranges=found, unread=unread, done=done)


async def _committed(settings: WorkerSettings, asked: Ranges) -> dict[Place, int]:
    """How far the group has read the topics."""
    places = {Partition(topic=settings.topic_prefix + one.topic, number=one.partition): one for one in asked}
    committed = await committed_by(settings, places)
    return {places[place]: found.offset for place, found in committed.items() if found is not None}
