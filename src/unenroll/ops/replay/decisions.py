"""Re-emit: publish the stored events of past decisions again, each marked with the replay's id."""

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
from unenroll.kafka.topics import INPUTS, output_limits
from unenroll.kafka.transactional_producer import LaneProducer
from unenroll.ops.progress import count_unit, progress
from unenroll.ops.replay.in_flight import RateLimit
from unenroll.ops.replay.slices import REPLAY_ID, ReplayMarking, ReplayTopics, SliceProgress, slices
from unenroll.ops.report import ReportSheet, counts
from unenroll.postgres.pool import check_tables, open_pool
from unenroll.postgres.replays import (
    Replay,
    ReplayLane,
    begin_replay,
    finish_replay,
    publications_between,
    published_lanes,
)
from unenroll.settings import WorkerSettings
from unenroll.text import clock_time, plural
from unenroll.wire.topics import Message, batch_bytes

_SLICE_MESSAGES = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class ReemitResult:
    """How many messages this run published again on each topic (in a dry run: would).

    `finished`: nothing of the replay is left. `finished_before`: when an earlier run finished it, or None.
    """

    replay_id: str
    dry_run: bool
    finished: bool
    finished_before: datetime | None
    published: Mapping[str, int]


async def reemit(
    settings: WorkerSettings, marking: ReplayMarking, *, rate_limit: RateLimit, stopping: asyncio.Event, dry_run: bool
) -> ReemitResult:
    """Publish the selected events again, up to the last decision that is published now.

    Another run with the same replay id continues where this one stopped. Raises UsageError if the id belongs to a
    replay with another selection, OutageError and SetupError.
    """
    cluster = KafkaAdmin(settings)
    async with open_pool(settings.database_url, connections=2) as pool:
        await check_tables(pool)
        replay, partitions = await _begin(pool, cluster, settings, marking=marking, dry_run=dry_run)
        if replay.finished_at is not None:
            return _result(replay, {}, dry_run=dry_run, finished=True)
        total = sum(lane.published for lane in replay.lanes)
        with progress("replay", total, count_unit("decisions")) as advance:
            run = _Reemit(
                pool=pool,
                settings=settings,
                replay=replay,
                marking=marking,
                partitions=partitions,
                limits=await output_limits(cluster, settings.topic_prefix),
                rate_limit=rate_limit,
                stopping=stopping,
                advance=advance,
                dry_run=dry_run,
            )
            await run.run()
        if not stopping.is_set() and not dry_run:
            await finish_replay(pool, replay.replay_id)
        return _result(replay, run.counts, dry_run=dry_run, finished=not stopping.is_set())


def _result(replay: Replay, published: Mapping[str, int], *, dry_run: bool, finished: bool) -> ReemitResult:
    return ReemitResult(
        replay_id=replay.replay_id,
        dry_run=dry_run,
        finished=finished,
        finished_before=replay.finished_at,
        published={topic.value: published.get(topic, 0) for topic in ReplayTopics},
    )


async def _begin(
    pool: asyncpg.Pool, cluster: KafkaAdmin, settings: WorkerSettings, *, marking: ReplayMarking, dry_run: bool
) -> tuple[Replay, Mapping[int, TopicPartitionNumber]]:
    """Return the replay as it was begun first, and for each of its lanes a partition to commit progress for."""
    topics = await cluster.topics(settings.topic_prefix + topic for topic in INPUTS)
    lanes = await published_lanes(pool, topic_prefix=settings.topic_prefix, group_id=settings.group_id)
    new = Replay(
        replay_id=marking.replay_id,
        topic_prefix=settings.topic_prefix,
        group_id=settings.group_id,
        selection=_selection_json(marking),
        lanes=tuple([lane async for lane in _up_to_date(settings, lanes, topics=topics.values())]),
    )
    replay = new if dry_run else await begin_replay(pool, new)
    if replace(replay, lanes=(), finished_at=None) != replace(new, lanes=()):
        raise UsageError(
            f"--replay-id {marking.replay_id} belongs to a replay with another selection, {replay.selection}: "
            "use another id, or the same options"
        )
    return replay, {lane.partition: _progress_partition(lane, topics.values()) for lane in replay.lanes}


async def _up_to_date(
    settings: WorkerSettings, lanes: Sequence[ReplayLane], *, topics: Iterable[KafkaTopic]
) -> AsyncIterator[ReplayLane]:
    """Yield the lanes with their last published decision, from Kafka or from their rows, whichever is later."""
    partitions = {
        TopicPartitionNumber(topic=topic.name, number=lane.partition): lane.partition
        for topic in topics
        for lane in lanes
        if lane.partition < topic.partitions
    }
    committed = await committed_by(settings, partitions)
    for lane in lanes:
        offsets = [offset for partition, offset in committed.items() if partitions[partition] == lane.partition]
        yield lane._replace(published=last_published(lane.published, offsets))


def _progress_partition(lane: ReplayLane, topics: Iterable[KafkaTopic]) -> TopicPartitionNumber:
    for topic in topics:
        if lane.partition < topic.partitions:
            return TopicPartitionNumber(topic=topic.name, number=lane.partition)
    raise SetupError(
        f"no input topic has partition {lane.partition}, so the decisions of this lane cannot be published again"
    )


def _selection_json(marking: ReplayMarking) -> str:
    """Return the selection as JSON that is the same for equal selections."""
    selection = marking.selection
    return to_json(
        {
            "topics": sorted(marking.topics),
            "since": selection.since,
            "until": selection.until,
            "customers": sorted(selection.customers),
            "targets": sorted(selection.targets),
        }
    ).decode()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reemit:
    """One run of a re-emit.

    `partitions` has for each lane the partition whose offset, in the replay's own group, is the lane's progress.
    `limits` has the largest batch in bytes of each topic. `advance` is called with the number of decisions that are
    done. `counts` has the number of messages by topic.
    """

    pool: asyncpg.Pool
    settings: WorkerSettings
    replay: Replay
    marking: ReplayMarking
    partitions: Mapping[int, TopicPartitionNumber]
    limits: Mapping[str, int]
    rate_limit: RateLimit
    stopping: asyncio.Event
    advance: Callable[[int], None]
    dry_run: bool
    counts: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Publish what is left of each lane, until stopping. Raises OutageError and SetupError."""
        group_id = f"{self.replay.group_id}.replay.{self.replay.replay_id}"
        settings = self.settings.model_copy(update={"group_id": group_id})
        async with GroupCoordinator(settings) as coordinator:
            for lane in self.replay.lanes:
                if self.dry_run:
                    await self._publish_rest(lane, SliceProgress(), None)
                else:
                    await self._publish_lane(lane, settings, coordinator)

    async def _publish_lane(self, lane: ReplayLane, settings: WorkerSettings, coordinator: GroupCoordinator) -> None:
        producer = LaneProducer.for_lane(settings, lane.partition, batch_bytes=min(self.limits.values()))
        partition = self.partitions[lane.partition]
        async with producer:  # this ends the open transaction of a run that died, so the offset is final
            committed = (await coordinator.committed([partition]))[partition]
            await self._publish_rest(lane, SliceProgress.from_offset(committed), producer)

    async def _publish_rest(self, lane: ReplayLane, at: SliceProgress, producer: LaneProducer | None) -> None:
        """Publish what comes after this progress. Without a producer, only count it."""
        self.advance(at.sequence)
        size = self.rate_limit.burst_size(_SLICE_MESSAGES)
        while not self.stopping.is_set():
            batches = await publications_between(self.pool, lane, at.sequence)
            if not batches:
                self.advance(lane.published - at.sequence)
                return
            for messages, after in slices(batches, at, marking=self.marking, size=size):
                if messages and producer is not None:
                    await self.rate_limit.wait(len(messages), self.stopping)
                    if self.stopping.is_set():
                        return
                    self._check_size(messages)
                    await producer.publish(messages, {self.partitions[lane.partition]: after.as_offset})
                self.counts.update(message.topic for message in messages)
                self.advance(after.sequence - at.sequence)
                at = after

    def _check_size(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if batch_bytes(message) > self.limits[message.topic]:
                raise SetupError(
                    f"a message with the replay's id is too large for topic {message.topic}: "
                    "raise its max.message.bytes"
                )


def reemit_sheet(result: ReemitResult) -> ReportSheet:
    """Return the report of the re-emit."""
    return ReportSheet(
        title=f"Replay {result.replay_id}" + (" (dry run)" if result.dry_run else ""),
        sentences=tuple(_sentences(result)),
        tables=(counts("Messages by topic", result.published.items()),),
    )


def _sentences(result: ReemitResult) -> Iterator[str]:
    if result.finished_before is not None:
        yield f"This replay was finished on {clock_time(result.finished_before)}: nothing was published again."
        return
    total = plural(sum(result.published.values()), "message")
    verb = "Would publish" if result.dry_run else "Published"
    yield f"{verb} {total} again, with the header {REPLAY_ID}: {result.replay_id}."
    if not result.finished:
        yield "The replay was stopped before its end."
