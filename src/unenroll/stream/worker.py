"""The worker: runs the lanes that it is given or that it takes; stops when asked, when done, or when it must."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
from aiokafka import TopicPartition

from unenroll.batch.step import Step
from unenroll.errors import OutageError
from unenroll.settings import WorkerSettings
from unenroll.store.connect import check_tables, connected
from unenroll.store.definitions import DefinitionCache
from unenroll.store.lanes import LaneKey
from unenroll.store.leases import release
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
from unenroll.stream.rights import GivenByGroup, Rights, taken
from unenroll.stream.settling_again import SettlingAgain
from unenroll.stream.topics import INPUTS, existing_topics, limits
from unenroll.stream.watches import caught_up, in_the_group, same_topics, until
from unenroll.wire.names import CARRIES
from unenroll.wire.names import Topic as Word

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
    rights: Rights
    waiting: Waiting

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
                rights=self.rights,
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
    cluster = Cluster(settings)
    async with connected(settings.database_url.get_secret_value(), connections=_CONNECTIONS) as pool:
        await check_tables(pool)
        topics = await existing_topics(cluster, (settings.topic_prefix + word for word in Word))
        step = Step(pool=pool, cache=DefinitionCache(), limits=await limits(cluster, settings.topic_prefix))
        await Leftover(settings=settings, pool=pool, topics=topics, batch_bytes=min(step.limits.values())).publish()
        async with Definitions(settings, pool, topics[settings.topic_prefix + Word.DEFINITIONS]) as definitions:
            following = Following(definitions=definitions, again=SettlingAgain(settings=settings, pool=pool))
            await following.catch_up(await cluster.ends(definitions.partitions))
            goal = await cluster.ends(_inputs_of(topics, settings)) if until_caught_up else None
            working = _given if settings.own_lanes is None else _taken
            async with working(settings, step, cluster=cluster, topics=topics) as (worker, lanes, held):
                await until(
                    stop,
                    lanes.failed,
                    held,
                    following.go_on(worker.waiting),
                    same_topics(cluster, {name: topics[name] for name in _read_topics(settings)}),
                    caught_up(lanes, worker.coordinator, goal),
                )
            if lanes.failed.done():
                lanes.failed.result()


Working = tuple[_Worker, Lanes, Coroutine[Any, Any, None]]
"""A worker, its lanes, and what has to go on while it has them."""


@asynccontextmanager
async def _given(
    settings: WorkerSettings, step: Step, *, cluster: Cluster, topics: Mapping[str, Topic]
) -> AsyncIterator[Working]:
    """A worker that takes whatever lanes the group gives it; at the end they are closed and given back."""
    client_id = f"unenroll-{uuid4()}"
    async with Coordinator(settings) as coordinator, joined(settings, client_id) as consumer:
        rights = GivenByGroup(coordinator=coordinator, pool=step.pool, client_id=client_id)
        worker = _worker(step, rights, settings=settings, among=(cluster, coordinator, topics))
        lanes = Lanes(consumer, worker.start_lane, waiting=worker.waiting)
        consumer.subscribe([settings.topic_prefix + word for word in INPUTS], listener=lanes)
        try:
            yield worker, lanes, in_the_group(consumer, coordinator, worker.waiting)
        finally:
            await lanes.leave()


@asynccontextmanager
async def _taken(
    settings: WorkerSettings, step: Step, *, cluster: Cluster, topics: Mapping[str, Topic]
) -> AsyncIterator[Working]:
    """A worker that takes the lanes that its settings name; at the end they are closed and let go."""
    places = _inputs_of(topics, settings)
    most = max(topics[settings.topic_prefix + word].partitions for word in INPUTS)
    rights = taken(settings, step.pool, f"unenroll-{uuid4()}", partitions=most)
    async with Coordinator(settings) as coordinator:
        worker = _worker(step, rights, settings=settings, among=(cluster, coordinator, topics))
        lanes = Lanes(None, worker.start_lane, waiting=worker.waiting)
        await lanes.on_partitions_assigned([TopicPartition(place.topic, place.number) for place in places])
        try:
            yield worker, lanes, rights.hold(worker.waiting)
        finally:
            await lanes.leave()
            with suppress(OutageError):  # then it ends by itself
                await release(step.pool, rights.lessee)


def _worker(
    step: Step, rights: Rights, *, settings: WorkerSettings, among: tuple[Cluster, Coordinator, Mapping[str, Topic]]
) -> _Worker:
    cluster, coordinator, topics = among
    return _Worker(
        settings=settings,
        pool=step.pool,
        cluster=cluster,
        coordinator=coordinator,
        topics=topics,
        arrival=Arrival(step.pool, step.cache, seconds=settings.definition_wait_ms / 1000),
        step=step,
        rights=rights,
        waiting=Waiting(),
    )


def _read_topics(settings: WorkerSettings) -> list[str]:
    return [settings.topic_prefix + word for word in (*INPUTS, Word.DEFINITIONS)]


def _inputs_of(topics: Mapping[str, Topic], settings: WorkerSettings) -> list[Partition]:
    """The partitions of the inputs that are the worker's business: its own lanes', or all."""
    places = partitions_of(topics[settings.topic_prefix + word] for word in INPUTS)
    own = settings.own_lanes
    return [place for place in places if own is None or place.number in own]
