"""A worker that has lanes: those that the group gives it, or those that it takes by itself."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition

from unenroll.batch.step import Step
from unenroll.errors import OutageError
from unenroll.observe.board import Stage
from unenroll.settings import WorkerSettings
from unenroll.store.lanes import LaneKey
from unenroll.store.leases import release
from unenroll.stream.arrival import Arrival
from unenroll.stream.cluster import Cluster, Partition, Topic, partitions_of
from unenroll.stream.coordinator import Coordinator
from unenroll.stream.group import Lanes
from unenroll.stream.intake import Intake
from unenroll.stream.lane import Lane
from unenroll.stream.life import LaneLife
from unenroll.stream.membership import joined
from unenroll.stream.observing import Observed
from unenroll.stream.opening import Opening
from unenroll.stream.patience import Waiting
from unenroll.stream.producer import LaneProducer
from unenroll.stream.rights import GivenByGroup, Rights, taken
from unenroll.stream.topics import INPUTS
from unenroll.stream.watches import in_the_group
from unenroll.wire.names import CARRIES


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """What all lanes of a worker work with, whoever gives them to it."""

    settings: WorkerSettings
    step: Step
    cluster: Cluster
    coordinator: Coordinator
    topics: Mapping[str, Topic]
    seen: Observed
    arrival: Arrival
    waiting: Waiting

    @property
    def inputs(self) -> list[Partition]:
        """The partitions of the inputs that are the worker's business: its own lanes', or all."""
        places = partitions_of(self.topics[self.settings.topic_prefix + word] for word in INPUTS)
        own = self.settings.own_lanes
        return [place for place in places if own is None or place.number in own]


class Held(NamedTuple):
    """The lanes of a worker, and what has to go on while it has them."""

    lanes: Lanes
    keeping: Coroutine[Any, Any, None]


@asynccontextmanager
async def held(means: Means) -> AsyncIterator[Held]:
    """The lanes, as the settings say who gives them; at the end they are closed and given back."""
    client_id = f"unenroll-{uuid4()}"
    async with (_given if means.settings.own_lanes is None else _taken)(means, client_id) as found:
        means.seen.board.stage = Stage.WORKING
        try:
            yield found
        finally:
            means.seen.board.stage = Stage.STOPPING
            await found.lanes.leave()


@asynccontextmanager
async def _given(means: Means, client_id: str) -> AsyncIterator[Held]:
    async with joined(means.settings, client_id) as consumer:
        rights = GivenByGroup(coordinator=means.coordinator, pool=means.step.pool, client_id=client_id)
        lanes = _lanes(consumer, means, rights)
        consumer.subscribe([means.settings.topic_prefix + word for word in INPUTS], listener=lanes)
        yield Held(lanes, in_the_group(consumer, means.coordinator, means.waiting))


@asynccontextmanager
async def _taken(means: Means, client_id: str) -> AsyncIterator[Held]:
    most = max(means.topics[means.settings.topic_prefix + word].partitions for word in INPUTS)
    rights = taken(means.settings, means.step.pool, client_id, partitions=most)
    lanes = _lanes(None, means, rights)
    await lanes.on_partitions_assigned([TopicPartition(place.topic, place.number) for place in means.inputs])
    try:
        yield Held(lanes, rights.hold(means.waiting))
    finally:
        with suppress(OutageError):  # then the lease ends by itself
            await release(means.step.pool, rights.lessee)


def _lanes(consumer: AIOKafkaConsumer | None, means: Means, rights: Rights) -> Lanes:
    start = _Starter(means=means, rights=rights).start
    return Lanes(consumer, start, waiting=means.waiting, board=means.seen.board)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Starter:
    means: Means
    rights: Rights

    def start(self, number: int, topics: list[str], life: LaneLife) -> "asyncio.Task[None]":
        """A task that runs the lane of this partition number until it is to stop."""
        means, settings, step = self.means, self.means.settings, self.means.step
        key = LaneKey(topic_prefix=settings.topic_prefix, group_id=settings.group_id, partition=number)
        lane = Lane(
            opening=Opening(
                pool=step.pool,
                cluster=means.cluster,
                coordinator=means.coordinator,
                key=key,
                topics={name: means.topics[name] for name in topics},
                start=settings.start,
            ),
            arrival=means.arrival,
            step=step,
            intake=Intake(settings=settings, rights=self.rights, key=key, topics=topics),
            producer=lambda: LaneProducer.of_lane(settings, number, batch_bytes=min(step.limits.values())),
            accepts={settings.topic_prefix + word: CARRIES[word] for word in INPUTS},
            life=life,
            waiting=means.waiting,
            seen=means.seen.lane(number),
        )
        return asyncio.create_task(lane.run(), name=f"lane {number}")
