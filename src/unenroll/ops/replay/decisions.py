"""A replay of decisions from beginning to end: noted, published again, told of."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import asyncpg
from pydantic_core import to_json

from unenroll.errors import SetupError, UsageError
from unenroll.kafka.admin import KafkaAdmin, KafkaTopic, TopicPartitionNumber
from unenroll.kafka.committed_offsets import last_published
from unenroll.kafka.consumer_group import GroupCoordinator, committed_by
from unenroll.kafka.topics import INPUTS, limits
from unenroll.kafka.transactional_producer import LaneProducer
from unenroll.ops.progress import counted, progress
from unenroll.ops.replay.in_flight import RateLimit
from unenroll.ops.replay.slices import REPLAY_ID, ReplayMarking, ReplayTopics, SliceProgress, slices
from unenroll.ops.report import ReportSheet, counts
from unenroll.postgres.pool import check_tables, connected
from unenroll.postgres.replays import (
    Replay,
    ReplayLane,
    begin_replay,
    finish_replay,
    publications_between,
    published_lanes,
)
from unenroll.settings import WorkerSettings
from unenroll.text import clock_time
from unenroll.wire.topics import Message, batch_bytes

_BATCHES_AT_ONCE = 50
_MESSAGES_AT_ONCE = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class DecisionReplay:
    """A replay that publishes again. `places` has a partition for each lane's progress, `limits` bytes by topic word.

    `done` is told how many decisions more are behind us. `counts` has how many messages went to each topic.
    """

    pool: asyncpg.Pool
    settings: WorkerSettings
    replay: Replay
    marking: ReplayMarking
    places: Mapping[int, TopicPartitionNumber]
    limits: Mapping[str, int]
    pace: RateLimit
    stopping: asyncio.Event
    done: Callable[[int], None]
    dry_run: bool
    counts: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Publish what is left of each lane, until stopping. Raises OutageError and SetupError: it may go on later."""
        group_id = f"{self.replay.group_id}.replay.{self.replay.replay_id}"
        settings = self.settings.model_copy(update={"group_id": group_id})
        async with GroupCoordinator(settings) as coordinator:
            for lane in self.replay.lanes:
                if self.dry_run:
                    await self._go_on(lane, SliceProgress(), None)
                else:
                    await self._lane(lane, settings, coordinator)

    async def _lane(self, lane: ReplayLane, settings: WorkerSettings, coordinator: GroupCoordinator) -> None:
        producer = LaneProducer.of_lane(settings, lane.partition, batch_bytes=min(self.limits.values()))
        place = self.places[lane.partition]
        async with producer:  # what a run that died has left open is ended by that, so the offsets are the last word
            committed = (await coordinator.committed([place]))[place]
            await self._go_on(lane, SliceProgress.of(committed), producer)

    async def _go_on(self, lane: ReplayLane, at: SliceProgress, producer: LaneProducer | None) -> None:
        self.done(at.sequence)
        most = self.pace.at_once(_MESSAGES_AT_ONCE)
        while not self.stopping.is_set():
            publications = await publications_between(self.pool, lane, at.sequence, most=_BATCHES_AT_ONCE)
            if not publications:
                self.done(lane.published - at.sequence)
                return
            for messages, behind in slices(publications, at, marking=self.marking, most=most):
                if messages and producer is not None:
                    await self.pace.wait(len(messages), self.stopping)
                    if self.stopping.is_set():
                        return
                    self._check(messages)
                    await producer.publish(messages, {self.places[lane.partition]: behind.committed})
                self.counts.update(message.topic for message in messages)
                self.done(behind.sequence - at.sequence)
                at = behind

    def _check(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if batch_bytes(message) > self.limits[message.topic]:
                raise SetupError(
                    f"with the replay's id a message does not fit topic {message.topic}; raise its max.message.bytes"
                )


@dataclass(frozen=True, kw_only=True, slots=True)
class ReemitResult:
    """How many messages were published again on each topic, by this run, or would be without `dry_run`.

    `finished`: nothing of the replay is left, since the `finished_before` if it is not None.
    """

    replay_id: str
    dry_run: bool
    finished: bool
    finished_before: datetime | None
    published: Mapping[str, int]


def reemit_result(replay: Replay, published: Mapping[str, int], *, dry_run: bool, finished: bool) -> ReemitResult:
    """The result of a run of the replay, which published so many messages to each topic."""
    return ReemitResult(
        replay_id=replay.replay_id,
        dry_run=dry_run,
        finished=finished,
        finished_before=replay.finished_at,
        published={topic.value: published.get(topic, 0) for topic in ReplayTopics},
    )


def sheet(result: ReemitResult) -> ReportSheet:
    """The report."""
    return ReportSheet(
        title=f"Replay {result.replay_id}" + (" (dry run)" if result.dry_run else ""),
        sentences=tuple(_sentences(result)),
        tables=(counts("Messages, by topic", result.published.items()),),
    )


def _sentences(result: ReemitResult) -> Iterator[str]:
    if result.finished_before is not None:
        yield f"It was finished on {clock_time(result.finished_before)}: nothing was published again."
        return
    total = sum(result.published.values())
    done = "would be published again" if result.dry_run else "were published again by this run"
    yield f"{total:,} messages {done}, each with the header {REPLAY_ID}: {result.replay_id}."
    if not result.finished:
        yield "It was stopped before its end."


async def reemit(
    settings: WorkerSettings, marking: ReplayMarking, *, pace: RateLimit, stopping: asyncio.Event, dry_run: bool
) -> ReemitResult:
    """Publish the chosen decisions again, those that were published up to now. Raises OutageError and SetupError.

    Raises UsageError if the replay's id stands for something else.
    """
    cluster = KafkaAdmin(settings)
    async with connected(settings.database_url, connections=2) as pool:
        await check_tables(pool)
        replay, places = await _begun(pool, cluster, settings, marking=marking, dry_run=dry_run)
        if replay.finished_at is not None:
            return reemit_result(replay, {}, dry_run=dry_run, finished=True)
        with progress("replay", sum(lane.published for lane in replay.lanes), counted("decisions")) as done:
            emitting = DecisionReplay(
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
        return reemit_result(replay, emitting.counts, dry_run=dry_run, finished=not stopping.is_set())


async def _begun(
    pool: asyncpg.Pool, cluster: KafkaAdmin, settings: WorkerSettings, *, marking: ReplayMarking, dry_run: bool
) -> tuple[Replay, Mapping[int, TopicPartitionNumber]]:
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
    settings: WorkerSettings, lanes: Sequence[ReplayLane], *, topics: Iterable[KafkaTopic]
) -> AsyncIterator[ReplayLane]:
    """The lanes up to the last decision that is visible: what Kafka has, or their rows, whichever knows more."""
    places = {
        TopicPartitionNumber(topic=topic.name, number=lane.partition): lane.partition
        for topic in topics
        for lane in lanes
        if lane.partition < topic.partitions
    }
    committed = await committed_by(settings, places)
    for lane in lanes:
        told = [found for place, found in committed.items() if places[place] == lane.partition]
        yield lane._replace(published=last_published(lane.published, told))


def _place(lane: ReplayLane, topics: Iterable[KafkaTopic]) -> TopicPartitionNumber:
    for topic in topics:
        if lane.partition < topic.partitions:
            return TopicPartitionNumber(topic=topic.name, number=lane.partition)
    raise SetupError(f"no input topic has partition {lane.partition}, whose decisions are to be published again")


def _words(marking: ReplayMarking) -> str:
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
