"""A replay of decisions from beginning to end: noted, published again, told of."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import asyncpg
from pydantic_core import to_json

from unenroll.errors import SetupError, UsageError
from unenroll.moments import clock_time
from unenroll.ndjson.progress import counted, progress
from unenroll.replay.emit import Emitting
from unenroll.replay.marked import REPLAY_ID, Again, Marking
from unenroll.replay.pace import Pace
from unenroll.report.sheet import Sheet, counts
from unenroll.settings import WorkerSettings
from unenroll.store.connect import check_tables, connected
from unenroll.store.replays import Lane, Replay, begin_replay, finish_replay, published_lanes
from unenroll.stream.cluster import Cluster, Partition, Topic
from unenroll.stream.coordinator import Coordinator
from unenroll.stream.topics import INPUTS, limits


@dataclass(frozen=True, kw_only=True, slots=True)
class Reemitted:
    """How many messages were published again on each topic, by this run, or would be without `dry_run`.

    `finished`: nothing of the replay is left, since the `finished_before` if it is not None.
    """

    replay_id: str
    dry_run: bool
    finished: bool
    finished_before: datetime | None
    published: Mapping[str, int]


async def reemit(
    settings: WorkerSettings, marking: Marking, *, pace: Pace, stopping: asyncio.Event, dry_run: bool
) -> Reemitted:
    """Publish the chosen decisions again, those that were published up to now. Raises OutageError and SetupError.

    Raises UsageError if the replay's id stands for something else.
    """
    cluster = Cluster(settings)
    async with connected(settings.database_url.get_secret_value(), connections=2) as pool:
        await check_tables(pool)
        replay, places = await _begun(pool, cluster, settings, marking=marking, dry_run=dry_run)
        if replay.finished_at is not None:
            return _result(replay, {}, dry_run=dry_run, finished=True)
        with progress("replay", sum(lane.published for lane in replay.lanes), counted("decisions")) as done:
            emitting = Emitting(
                pool=pool,
                settings=settings,
                replay=replay,
                marking=marking,
                places=places,
                limits=await limits(cluster, settings.topic_prefix),
                pace=pace,
                stopping=stopping,
                done=done,
                dry_run=dry_run,
            )
            await emitting.run()
        if not stopping.is_set() and not dry_run:
            await finish_replay(pool, replay.replay_id)
        return _result(replay, emitting.counts, dry_run=dry_run, finished=not stopping.is_set())


async def _begun(
    pool: asyncpg.Pool, cluster: Cluster, settings: WorkerSettings, *, marking: Marking, dry_run: bool
) -> tuple[Replay, Mapping[int, Partition]]:
    """The replay, and a partition for the progress of each of its lanes."""
    topics = await cluster.topics(settings.topic_prefix + word for word in INPUTS)
    known = await published_lanes(pool, topic_prefix=settings.topic_prefix, group_id=settings.group_id)
    wanted = Replay(
        replay_id=marking.replay_id,
        topic_prefix=settings.topic_prefix,
        group_id=settings.group_id,
        selection=_words(marking),
        lanes=tuple([lane async for lane in _published(settings, known, topics=topics.values())]),
    )
    replay = wanted if dry_run else await begin_replay(pool, wanted)
    if replace(replay, lanes=(), finished_at=None) != replace(wanted, lanes=()):
        raise UsageError(f"--replay-id {marking.replay_id} stands for a replay of something else: {replay.selection}")
    return replay, {lane.partition: _place(lane, topics.values()) for lane in replay.lanes}


async def _published(
    settings: WorkerSettings, lanes: Sequence[Lane], *, topics: Iterable[Topic]
) -> AsyncIterator[Lane]:
    """The lanes up to the last decision that is visible: what Kafka has, or their rows, whichever knows more."""
    places = {
        Partition(topic=topic.name, number=lane.partition): lane.partition
        for topic in topics
        for lane in lanes
        if lane.partition < topic.partitions
    }
    async with Coordinator(settings) as coordinator:
        committed = await coordinator.committed(places)
    for lane in lanes:
        told = (found for place, found in committed.items() if places[place] == lane.partition)
        sequences = (found.sequence or 0 for found in told if found is not None)
        yield lane._replace(published=max([lane.published, *sequences]))


def _place(lane: Lane, topics: Iterable[Topic]) -> Partition:
    for topic in topics:
        if lane.partition < topic.partitions:
            return Partition(topic=topic.name, number=lane.partition)
    raise SetupError(f"no input topic has partition {lane.partition}, whose decisions are to be published again")


def _words(marking: Marking) -> str:
    """What is chosen, as text that is the same whenever the same is."""
    chosen = marking.selection
    return to_json(
        {
            "topics": sorted(marking.topics),
            "since": chosen.since,
            "until": chosen.until,
            "customers": sorted(chosen.customers),
            "targets": sorted(chosen.targets),
        }
    ).decode()


def _result(replay: Replay, published: Mapping[str, int], *, dry_run: bool, finished: bool) -> Reemitted:
    return Reemitted(
        replay_id=replay.replay_id,
        dry_run=dry_run,
        finished=finished,
        finished_before=replay.finished_at,
        published={topic.value: published.get(topic, 0) for topic in Again},
    )


def sheet(result: Reemitted) -> Sheet:
    """The report."""
    return Sheet(
        title=f"Replay {result.replay_id}" + (" (dry run)" if result.dry_run else ""),
        sentences=tuple(_sentences(result)),
        tables=(counts("Messages, by topic", result.published.items()),),
    )


def _sentences(result: Reemitted) -> Iterator[str]:
    if result.finished_before is not None:
        yield f"It was finished on {clock_time(result.finished_before)}: nothing was published again."
        return
    total = sum(result.published.values())
    done = "would be published again" if result.dry_run else "were published again by this run"
    yield f"{total:,} messages {done}, each with the header {REPLAY_ID}: {result.replay_id}."
    if not result.finished:
        yield "It was stopped before its end."
