"""The worker: joins the group, runs the lanes it is given, and stops when asked, when done, or when it must."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer

from unenroll.batch.step import Step
from unenroll.in_the_clear import in_the_clear
from unenroll.settings import WorkerSettings
from unenroll.store.connect import check_tables, connected
from unenroll.store.definitions import DefinitionCache
from unenroll.store.lanes import LaneKey
from unenroll.stream.arrival import Arrival
from unenroll.stream.cluster import Cluster, Partition, Topic, partitions_of
from unenroll.stream.coordinator import Coordinator
from unenroll.stream.definitions import Definitions
from unenroll.stream.following import Following
from unenroll.stream.group import Lanes
from unenroll.stream.intake import Intake
from unenroll.stream.lane import Lane
from unenroll.stream.leftover import Leftover
from unenroll.stream.life import LaneLife
from unenroll.stream.membership import joined
from unenroll.stream.opening import Opening
from unenroll.stream.patience import Waiting
from unenroll.stream.producer import LaneProducer
from unenroll.stream.rights import check_rights
from unenroll.stream.settling_again import SettlingAgain
from unenroll.stream.topics import INPUTS, existing_topics, limits
from unenroll.stream.watches import caught_up, in_the_group, same_topics, until
from unenroll.wire.names import CARRIES
from unenroll.wire.names import Topic as Word

log = structlog.get_logger()

_CONNECTIONS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class _Worker:
    """What the lanes of a worker share."""

    settings: WorkerSettings
    pool: asyncpg.Pool
    cluster: Cluster
    coordinator: Coordinator
    topics: Mapping[str, Topic]
    arrival: Arrival
    step: Step
    consumer: AIOKafkaConsumer
    waiting: Waiting
    client_id: str

    def start_lane(self, number: int, topics: list[str], life: LaneLife) -> "asyncio.Task[None]":
        """A task that runs the lane of this partition number until it is to stop."""
        key = LaneKey(topic_prefix=self.settings.topic_prefix, group_id=self.settings.group_id, partition=number)
        mine = {name: self.topics[name] for name in topics}
        lane = Lane(
            opening=Opening(
                pool=self.pool,
                cluster=self.cluster,
                coordinator=self.coordinator,
                key=key,
                topics=mine,
                start=self.settings.start,
            ),
            arrival=self.arrival,
            step=self.step,
            intake=Intake(
                settings=self.settings,
                coordinator=self.coordinator,
                client_id=self.client_id,
                key=key,
                topics=topics,
            ),
            producer=lambda: self._producer(number),
            accepts={self.settings.topic_prefix + word: CARRIES[word] for word in INPUTS},
            life=life,
            waiting=self.waiting,
        )
        return asyncio.create_task(lane.run(), name=f"lane {number}")

    def _producer(self, number: int) -> LaneProducer:
        return LaneProducer.of_lane(self.settings, number, batch_bytes=min(self.step.limits.values()))


async def work(settings: WorkerSettings, *, stop: asyncio.Event, until_caught_up: bool = False) -> None:
    """Run until `stop` is set, or until what is in the topics now is done. Raises SetupError and OutageError."""
    for why in in_the_clear(settings):
        log.warning("in the clear", why=why)
    cluster = Cluster(settings)
    async with connected(settings.database_url, connections=_CONNECTIONS) as pool:
        await check_rights(settings, cluster, pool)
        await check_tables(pool)
        topics = await existing_topics(cluster, (settings.topic_prefix + word for word in Word))
        step = Step(pool=pool, cache=DefinitionCache(), limits=await limits(cluster, settings.topic_prefix))
        await Leftover(settings=settings, pool=pool, topics=topics, batch_bytes=min(step.limits.values())).publish()
        async with Definitions(settings, pool, topics[settings.topic_prefix + Word.DEFINITIONS]) as definitions:
            following = Following(definitions=definitions, again=SettlingAgain(settings=settings, pool=pool))
            await following.catch_up(await cluster.ends(definitions.partitions))
            goal = await cluster.ends(_inputs_of(topics, settings)) if until_caught_up else None
            async with _working(settings, step, cluster=cluster, topics=topics) as (worker, lanes):
                await until(
                    stop,
                    lanes.failed,
                    in_the_group(worker.consumer, worker.coordinator, worker.waiting),
                    following.go_on(worker.waiting),
                    same_topics(cluster, {name: topics[name] for name in _read_topics(settings)}),
                    caught_up(lanes, worker.coordinator, goal),
                )
            if lanes.failed.done():
                lanes.failed.result()


@asynccontextmanager
async def _working(
    settings: WorkerSettings, step: Step, *, cluster: Cluster, topics: Mapping[str, Topic]
) -> AsyncIterator[tuple[_Worker, Lanes]]:
    """A worker that takes whatever lanes the group gives it; at the end they are closed and given back."""
    client_id = f"unenroll-{uuid4()}"
    async with Coordinator(settings) as coordinator, joined(settings, client_id) as consumer:
        worker = _Worker(
            settings=settings,
            pool=step.pool,
            cluster=cluster,
            coordinator=coordinator,
            topics=topics,
            arrival=Arrival(step.pool, step.cache, seconds=settings.definition_wait_ms / 1000),
            step=step,
            consumer=consumer,
            waiting=Waiting(),
            client_id=client_id,
        )
        lanes = Lanes(consumer, worker.start_lane, waiting=worker.waiting)
        consumer.subscribe([settings.topic_prefix + word for word in INPUTS], listener=lanes)
        try:
            yield worker, lanes
        finally:
            await lanes.leave()


def _read_topics(settings: WorkerSettings) -> list[str]:
    return [settings.topic_prefix + word for word in (*INPUTS, Word.DEFINITIONS)]


def _inputs_of(topics: Mapping[str, Topic], settings: WorkerSettings) -> list[Partition]:
    return partitions_of(topics[settings.topic_prefix + word] for word in INPUTS)
