"""A replay of decisions from beginning to end: noted, published again, told of."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace

import asyncpg
from pydantic_core import to_json

from unenroll.errors import SetupError, UsageError
from unenroll.ndjson.progress import counted, progress
from unenroll.replay.emit import Emitting
from unenroll.replay.marked import Marking
from unenroll.replay.pace import Pace
from unenroll.replay.reemitted import Reemitted, reemitted
from unenroll.settings import WorkerSettings
from unenroll.store.connect import check_tables, connected
from unenroll.store.replays import Lane, Replay, begin_replay, finish_replay, published_lanes
from unenroll.stream.cluster import Cluster, Partition, Topic
from unenroll.stream.coordinator import committed_by
from unenroll.stream.resume import last_published
from unenroll.stream.topics import INPUTS, limits


async def reemit(
    settings: WorkerSettings, marking: Marking, *, pace: Pace, stopping: asyncio.Event, dry_run: bool
) -> Reemitted:
    """Publish the chosen decisions again, those that were published up to now. Raises OutageError and SetupError.

    Raises UsageError if the replay's id stands for something else.
    """
    cluster = Cluster(settings)
    async with connected(settings.database_url, connections=2) as pool:
        await check_tables(pool)
        replay, places = await _begun(pool, cluster, settings, marking=marking, dry_run=dry_run)
        if replay.finished_at is not None:
            return reemitted(replay, {}, dry_run=dry_run, finished=True)
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
        return reemitted(replay, emitting.counts, dry_run=dry_run, finished=not stopping.is_set())


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
    committed = await committed_by(settings, places)
    for lane in lanes:
        told = [found for place, found in committed.items() if places[place] == lane.partition]
        yield lane._replace(published=last_published(lane.published, told))


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
