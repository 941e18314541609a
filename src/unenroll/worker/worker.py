"""The worker: joins the consumer group, runs the lanes that the group assigns, and stops them in order."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer

from unenroll.errors import OutageError
from unenroll.kafka.admin import KafkaAdmin, KafkaTopic, TopicPartitionNumber, partitions_of
from unenroll.kafka.aiokafka_internals import raise_group_error
from unenroll.kafka.consumer_group import GroupCoordinator, joined_group
from unenroll.kafka.errors import kafka_errors
from unenroll.kafka.topics import INPUTS, check_not_recreated, existing_topics, output_limits, unbounded_topics
from unenroll.kafka.transactional_producer import LaneProducer
from unenroll.postgres.definitions import DefinitionCache, begin_all_resettlements
from unenroll.postgres.lanes import LaneKey
from unenroll.postgres.pool import check_tables, open_pool
from unenroll.settings import WorkerSettings
from unenroll.telemetry.state import GROUP, ProcessStage, lane_name
from unenroll.wire.topics import CARRIES
from unenroll.wire.topics import Topic as Word
from unenroll.worker.backoff import Backoff, OutageLog
from unenroll.worker.definition_wait import DefinitionWait
from unenroll.worker.definitions_topic import DefinitionsFollower, DefinitionsTopic
from unenroll.worker.lane import BatchSize, Lane
from unenroll.worker.lanes import LaneEvents, LanePartitions, Lanes
from unenroll.worker.preflight import check_rights, warn_not_encrypted
from unenroll.worker.recovery import LaneRecovery, OrphanedLanes
from unenroll.worker.resettle import Resettlement
from unenroll.worker.telemetry import ServerProbe, WorkerTelemetry, worker_telemetry
from unenroll.worker.transaction import BatchTransaction

log = structlog.get_logger()

_CONNECTIONS = 8
_CAUGHT_UP_POLL_SECONDS = 0.1
_GROUP_POLL_SECONDS = 1.0
_TOPICS_POLL_SECONDS = 15.0  # confluent-kafka keeps some 100 bytes per topic and answer for ever


async def run_worker(settings: WorkerSettings, *, stop: asyncio.Event, until_caught_up: bool = False) -> None:
    """Run until `stop` is set, or until the records that the topics have at the start are processed.

    Raises SetupError and OutageError.
    """
    warn_not_encrypted(settings)
    async with (
        worker_telemetry(settings) as telemetry,
        open_pool(settings.database_url, connections=_CONNECTIONS) as pool,
        _checked_context(settings, pool, telemetry) as context,
    ):
        resettlement = Resettlement(settings=settings, pool=pool)
        facts = context.topic(Word.FACTS)
        group = (settings.topic_prefix, settings.group_id)
        await begin_all_resettlements(pool, group=group, topic=facts.name, topic_id=facts.topic_id)
        await context.definitions.catch_up()
        goal = None
        if until_caught_up:
            await resettlement.publish_due()
            goal = await _goal(context)
        async with _assigned_lanes(context) as (lanes, consumer):
            await _run_until(
                stop,
                lanes.failure,
                _watch_group(consumer, context),
                context.definitions.run(context.outages),
                resettlement.run(context.outages),
                _watch_topics(context),
                _caught_up(lanes, context.coordinator, goal),
                ServerProbe(settings=settings, cluster=context.cluster, pool=pool, state=telemetry.state).run(),
            )
        if lanes.failure.done():
            lanes.failure.result()


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerContext:
    """What the lanes of a worker share. `client_id` names the worker in the consumer group.

    Whoever publishes a large batch holds the lock `large_publications`.
    """

    settings: WorkerSettings
    client_id: str
    cluster: KafkaAdmin
    coordinator: GroupCoordinator
    topics: Mapping[str, KafkaTopic]
    definitions: DefinitionsFollower
    transaction: BatchTransaction
    definition_wait: DefinitionWait
    outages: OutageLog
    telemetry: WorkerTelemetry
    large_publications: asyncio.Lock = field(default_factory=asyncio.Lock)

    def topic(self, word: Word) -> KafkaTopic:
        """The topic with this name, without the prefix."""
        return self.topics[self.settings.topic_prefix + word]

    @property
    def input_topics(self) -> list[str]:
        """The full names of the input topics."""
        return [self.topic(word).name for word in INPUTS]

    @property
    def input_partitions(self) -> list[TopicPartitionNumber]:
        """The partitions of the input topics."""
        return partitions_of(self.topics[name] for name in self.input_topics)

    @property
    def batch_bytes(self) -> int:
        """The size of a producer batch that every output topic accepts."""
        return min(self.transaction.limits.values())

    def start_lane(self, number: int, topics: list[str], events: LaneEvents) -> "asyncio.Task[None]":
        """Start a task that runs the lane of this partition number until it has to stop."""
        settings = self.settings
        lane = Lane(
            events=events,
            partitions=LanePartitions(
                settings=settings,
                coordinator=self.coordinator,
                client_id=self.client_id,
                number=number,
                topics=topics,
            ),
            recovery=LaneRecovery(
                pool=self.transaction.pool,
                cluster=self.cluster,
                coordinator=self.coordinator,
                key=LaneKey(topic_prefix=settings.topic_prefix, group_id=settings.group_id, partition=number),
                topics={name: self.topics[name] for name in topics},
                start=settings.start,
            ),
            new_producer=lambda: LaneProducer.for_lane(
                settings, number, batch_bytes=self.batch_bytes, large_publications=self.large_publications
            ),
            accepts={settings.topic_prefix + word: CARRIES[word] for word in INPUTS},
            definition_wait=self.definition_wait,
            transaction=self.transaction,
            size=BatchSize(),
            backoff=Backoff(lane=number, stopping=events.stopping, outages=self.outages),
            telemetry=self.telemetry.lane(number),
        )
        return asyncio.create_task(lane.run(), name=lane_name(number))


@asynccontextmanager
async def _checked_context(
    settings: WorkerSettings, pool: asyncpg.Pool, telemetry: WorkerTelemetry
) -> AsyncIterator[WorkerContext]:
    """Check rights, tables and topics, and publish what orphaned lanes have left."""
    cluster = KafkaAdmin(settings)
    await check_rights(settings, cluster, pool)
    await check_tables(pool)
    topics = await existing_topics(cluster, (settings.topic_prefix + word for word in Word))
    if unbounded := await unbounded_topics(cluster, settings.topic_prefix):
        log.warning("compressed_batches_unbounded", topics=unbounded, set="compression.type=uncompressed")
    cache = DefinitionCache()
    topic = topics[settings.topic_prefix + Word.DEFINITIONS]
    async with GroupCoordinator(settings) as coordinator, DefinitionsTopic(settings, pool, topic) as reader:
        follower = DefinitionsFollower(reader, topic, cluster)
        context = WorkerContext(
            settings=settings,
            client_id=f"unenroll-{uuid4()}",
            cluster=cluster,
            coordinator=coordinator,
            topics=topics,
            definitions=follower,
            transaction=BatchTransaction(
                pool=pool,
                cache=cache,
                limits=await output_limits(cluster, settings.topic_prefix),
                max_facts=settings.max_account_facts,
            ),
            definition_wait=DefinitionWait(pool=pool, cache=cache, follower=follower),
            outages=OutageLog(waiting=telemetry.state.waiting),
            telemetry=telemetry,
        )
        await OrphanedLanes(settings=settings, pool=pool, topics=topics, batch_bytes=context.batch_bytes).publish()
        yield context


@asynccontextmanager
async def _assigned_lanes(context: WorkerContext) -> AsyncIterator[tuple[Lanes, AIOKafkaConsumer]]:
    """Join the group and run the lanes that it assigns. Closes the lanes at the end. Raises OutageError."""
    state = context.telemetry.state
    async with joined_group(context.settings, context.client_id) as consumer:
        lanes = Lanes(consumer, context.start_lane, outages=context.outages, state=state)
        consumer.subscribe(context.input_topics, listener=lanes)
        state.stage = ProcessStage.WORKING
        try:
            yield lanes, consumer
        finally:
            state.stage = ProcessStage.STOPPING
            await lanes.leave()


async def _run_until(stop: asyncio.Event, failure: "asyncio.Future[None]", *tasks: Coroutine[Any, Any, None]) -> None:
    """Return when `stop` is set or one of the tasks ends. Raises the error of a lane or of a task."""
    running: list[asyncio.Future[Any]] = [asyncio.ensure_future(task) for task in (stop.wait(), *tasks)]
    try:
        done, _ = await asyncio.wait({failure, *running}, return_when=asyncio.FIRST_COMPLETED)
        for ended in done:
            ended.result()
    finally:
        for task in running:
            task.cancel()


async def _watch_group(consumer: AIOKafkaConsumer, context: WorkerContext) -> None:
    """Log outages of Kafka, also while the worker has no lanes. Raises SetupError if the worker may not join."""
    failures = 0
    while True:
        try:
            with kafka_errors("joining the group"):
                raise_group_error(consumer)
            await context.coordinator.owners()
        except OutageError as outage:
            failures += 1
            if failures > 1:  # a new cluster has no coordinator for a moment
                context.outages.begin(GROUP, outage)
        else:
            failures = 0
            context.outages.end(GROUP)
        await asyncio.sleep(_GROUP_POLL_SECONDS)


async def _watch_topics(context: WorkerContext) -> None:
    """Raise SetupError once somebody deletes a topic and makes it again: the offsets of the old one are worthless."""
    topics = {topic.name: topic for topic in map(context.topic, (*INPUTS, Word.DEFINITIONS))}
    while True:
        await asyncio.sleep(_TOPICS_POLL_SECONDS)
        with suppress(OutageError):  # the lanes notice it too
            await check_not_recreated(context.cluster, topics)


async def _goal(context: WorkerContext) -> Mapping[TopicPartitionNumber, int]:
    """The offsets after the last records now, also of those that a transaction withholds until it ends."""
    ends = await context.cluster.ends(context.input_partitions)
    high = await context.cluster.high_watermarks(context.input_partitions)
    withheld = {f"{one.topic}-{one.number}": high[one] - end for one, end in ends.items() if high[one] > end}
    if withheld:
        log.warning("records_withheld", partitions=withheld, waits_for="the end of a transaction that is not ours")
    return high


async def _caught_up(
    lanes: Lanes, coordinator: GroupCoordinator, goal: Mapping[TopicPartitionNumber, int] | None
) -> None:
    """Return once all lanes are open and the group has committed the offsets of `goal`. None: never return."""
    if goal is None:
        await asyncio.Event().wait()
        return
    while not (lanes.open and await _reached(coordinator, goal)):  # noqa: ASYNC110 - Kafka has no event for a commit
        await asyncio.sleep(_CAUGHT_UP_POLL_SECONDS)
    log.info("caught_up", partitions=len(goal))


async def _reached(coordinator: GroupCoordinator, goal: Mapping[TopicPartitionNumber, int]) -> bool:
    try:
        committed = await coordinator.committed(goal)
    except OutageError:
        return False
    return all((offset := committed[partition]) is not None and offset.offset >= end for partition, end in goal.items())
