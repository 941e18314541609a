"""The worker: joins the group, runs the lanes that it is given, and stops when asked, when done, or when it must."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import uuid4

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer

from unenroll.errors import OutageError
from unenroll.kafka.admin import KafkaAdmin, KafkaTopic, TopicPartitionNumber, partitions_of
from unenroll.kafka.consumer_group import GroupCoordinator, joined_group
from unenroll.kafka.errors import kafka_errors
from unenroll.kafka.topics import INPUTS, check_same, existing_topics, limits
from unenroll.kafka.transactional_producer import LaneProducer
from unenroll.postgres.definitions import DefinitionCache, due_again
from unenroll.postgres.lanes import LaneKey
from unenroll.postgres.pool import check_tables, connected
from unenroll.settings import WorkerSettings
from unenroll.telemetry.state import GROUP, ProcessStage
from unenroll.wire.topics import CARRIES
from unenroll.wire.topics import Topic as Word
from unenroll.worker.backoff import OutageLog
from unenroll.worker.definition_wait import DefinitionWait
from unenroll.worker.definitions_topic import DefinitionsFollower, DefinitionsTopic
from unenroll.worker.lane import Lane, LanePartitions
from unenroll.worker.lanes import LaneEvents, Lanes
from unenroll.worker.preflight import check_rights, warn_not_encrypted
from unenroll.worker.recovery import LaneRecovery, OrphanedLanes
from unenroll.worker.resettle import Resettlement
from unenroll.worker.telemetry import ServerProbe, WorkerTelemetry, worker_telemetry
from unenroll.worker.transaction import BatchTransaction


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerContext:
    """What all lanes of a worker work with."""

    settings: WorkerSettings
    step: BatchTransaction
    cluster: KafkaAdmin
    coordinator: GroupCoordinator
    topics: Mapping[str, KafkaTopic]
    seen: WorkerTelemetry
    arrival: DefinitionWait
    waiting: OutageLog

    @property
    def inputs(self) -> list[TopicPartitionNumber]:
        """The partitions of the input topics."""
        return partitions_of(self.topics[name] for name in self.input_topics)

    @property
    def input_topics(self) -> list[str]:
        """The input topics' names."""
        return [self.settings.topic_prefix + word for word in INPUTS]


class AssignedLanes(NamedTuple):
    """The lanes of a worker, and the consumer by which it is a member of the group."""

    lanes: Lanes
    consumer: AIOKafkaConsumer


@asynccontextmanager
async def assigned_lanes(means: WorkerContext) -> AsyncIterator[AssignedLanes]:
    """The lanes that the group gives us; at the end they are closed and given back. Raises OutageError."""
    client_id = f"unenroll-{uuid4()}"
    async with joined_group(means.settings, client_id) as consumer:
        start = _Starter(means=means, client_id=client_id).start
        lanes = Lanes(consumer, start, waiting=means.waiting, board=means.seen.board)
        consumer.subscribe(means.input_topics, listener=lanes)
        means.seen.board.stage = ProcessStage.WORKING
        try:
            yield AssignedLanes(lanes, consumer)
        finally:
            means.seen.board.stage = ProcessStage.STOPPING
            await lanes.leave()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Starter:
    means: WorkerContext
    client_id: str

    def start(self, number: int, topics: list[str], life: LaneEvents) -> "asyncio.Task[None]":
        """A task that runs the lane of this partition number until it is to stop."""
        means, settings, step = self.means, self.means.settings, self.means.step
        lane = Lane(
            opening=LaneRecovery(
                pool=step.pool,
                cluster=means.cluster,
                coordinator=means.coordinator,
                key=LaneKey(topic_prefix=settings.topic_prefix, group_id=settings.group_id, partition=number),
                topics={name: means.topics[name] for name in topics},
                start=settings.start,
            ),
            arrival=means.arrival,
            step=step,
            intake=LanePartitions(
                settings=settings,
                coordinator=means.coordinator,
                client_id=self.client_id,
                number=number,
                topics=topics,
            ),
            producer=lambda: LaneProducer.of_lane(settings, number, batch_bytes=min(step.limits.values())),
            accepts={settings.topic_prefix + word: CARRIES[word] for word in INPUTS},
            life=life,
            waiting=means.waiting,
            seen=means.seen.lane(number),
        )
        return asyncio.create_task(lane.run(), name=f"lane {number}")


log = structlog.get_logger()

_LOOK_SECONDS = 0.1
_GROUP_SECONDS = 1.0
_TOPICS_SECONDS = 15.0  # each answer costs some 100 bytes a topic for good: confluent-kafka keeps their ids


async def until(stop: asyncio.Event, failed: "asyncio.Future[None]", *watches: Coroutine[Any, Any, None]) -> None:
    """Return when `stop` is set or a watch ends; raise what a lane or a watch raises."""
    tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(watch) for watch in (stop.wait(), *watches)]
    try:
        done, _ = await asyncio.wait({failed, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for ended in done:
            ended.result()
    finally:
        for task in tasks:
            task.cancel()


async def in_the_group(consumer: AIOKafkaConsumer, coordinator: GroupCoordinator, waiting: OutageLog) -> None:
    """Say when Kafka is away, also while no lane needs it. Raises the SetupError that keeps us out of the group."""
    failures = 0
    while True:
        try:
            with kafka_errors("joining the group"):
                # There is no public way, and aiokafka tells only a lane that polls: without a lane, nobody.
                consumer._coordinator.check_errors()  # noqa: SLF001
            await coordinator.owners()
        except OutageError as outage:
            failures += 1
            if failures > 1:  # a new cluster has no coordinator for a moment
                waiting.begin(GROUP, outage)
        else:
            failures = 0
            waiting.end(GROUP)
        await asyncio.sleep(_GROUP_SECONDS)


async def same_topics(cluster: KafkaAdmin, topics: Mapping[str, KafkaTopic]) -> None:
    """Never return. Raises SetupError once one of the topics was deleted and made again: no offset of ours is of it."""
    while True:
        await asyncio.sleep(_TOPICS_SECONDS)
        with suppress(OutageError):  # who reads will notice
            await check_same(cluster, topics)


async def caught_up(
    lanes: Lanes, coordinator: GroupCoordinator, goal: Mapping[TopicPartitionNumber, int] | None
) -> None:
    """Return once the group has committed the goal and all our lanes were opened; None: never."""
    if goal is None:
        await asyncio.Event().wait()
        return
    while not (lanes.open and await _reached(coordinator, goal)):  # noqa: ASYNC110 - Kafka tells nobody when an offset moves
        await asyncio.sleep(_LOOK_SECONDS)
    log.info("caught_up", partitions=len(goal))


async def _reached(coordinator: GroupCoordinator, goal: Mapping[TopicPartitionNumber, int]) -> bool:
    try:
        committed = await coordinator.committed(goal)
    except OutageError:
        return False
    return all((found := committed[place]) is not None and found.offset >= end for place, end in goal.items())


_CONNECTIONS = 8


async def run_worker(settings: WorkerSettings, *, stop: asyncio.Event, until_caught_up: bool = False) -> None:
    """Run until `stop` is set, or until what is in the topics now is done. Raises SetupError and OutageError."""
    warn_not_encrypted(settings)
    async with (
        worker_telemetry(settings) as seen,
        connected(settings.database_url, connections=_CONNECTIONS) as pool,
        _equipped(settings, pool, seen) as means,
        DefinitionsTopic(settings, pool, means.topics[settings.topic_prefix + Word.DEFINITIONS]) as definitions,
    ):
        cluster = means.cluster
        following = DefinitionsFollower(definitions=definitions, again=Resettlement(settings=settings, pool=pool))
        facts = means.topics[settings.topic_prefix + Word.FACTS]
        group = (settings.topic_prefix, settings.group_id)
        await due_again(pool, group=group, topic=facts.name, topic_id=facts.topic_id)
        await following.catch_up(await cluster.ends(definitions.partitions))
        goal = await cluster.ends(means.inputs) if until_caught_up else None
        async with assigned_lanes(means) as (lanes, consumer):
            await until(
                stop,
                lanes.failed,
                in_the_group(consumer, means.coordinator, means.waiting),
                following.go_on(means.waiting),
                same_topics(cluster, {name: means.topics[name] for name in _read_topics(settings)}),
                caught_up(lanes, means.coordinator, goal),
                ServerProbe(settings=settings, cluster=cluster, pool=pool, board=seen.board).go_on(),
            )
        if lanes.failed.done():
            lanes.failed.result()


@asynccontextmanager
async def _equipped(
    settings: WorkerSettings, pool: asyncpg.Pool, seen: WorkerTelemetry
) -> AsyncIterator[WorkerContext]:
    """What the lanes work with, once tables and topics are found in order and what was left over is published."""
    cluster = KafkaAdmin(settings)
    await check_rights(settings, cluster, pool)
    await check_tables(pool)
    topics = await existing_topics(cluster, (settings.topic_prefix + word for word in Word))
    step = BatchTransaction(pool=pool, cache=DefinitionCache(), limits=await limits(cluster, settings.topic_prefix))
    await OrphanedLanes(settings=settings, pool=pool, topics=topics, batch_bytes=min(step.limits.values())).publish()
    async with GroupCoordinator(settings) as coordinator:
        yield WorkerContext(
            settings=settings,
            step=step,
            cluster=cluster,
            coordinator=coordinator,
            topics=topics,
            seen=seen,
            arrival=DefinitionWait(pool, step.cache, seconds=settings.definition_wait_ms / 1000),
            waiting=OutageLog(who=seen.board.waiting),
        )


def _read_topics(settings: WorkerSettings) -> list[str]:
    return [settings.topic_prefix + word for word in (*INPUTS, Word.DEFINITIONS)]
