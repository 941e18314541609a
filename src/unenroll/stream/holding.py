"""A worker that is a member of its group, and has the lanes that the group gives it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple
from uuid import uuid4

from aiokafka import AIOKafkaConsumer

from unenroll.batch.step import Step
from unenroll.observe.board import Stage
from unenroll.settings import WorkerSettings
from unenroll.store.lanes import LaneKey
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
from unenroll.stream.topics import INPUTS
from unenroll.wire.names import CARRIES


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """What all lanes of a worker work with."""

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
        """The partitions of the input topics."""
        return partitions_of(self.topics[name] for name in self.input_topics)

    @property
    def input_topics(self) -> list[str]:
        """The input topics' names."""
        return [self.settings.topic_prefix + word for word in INPUTS]


class Held(NamedTuple):
    """The lanes of a worker, and the consumer by which it is a member of the group."""

    lanes: Lanes
    consumer: AIOKafkaConsumer


@asynccontextmanager
async def held(means: Means) -> AsyncIterator[Held]:
    """The lanes that the group gives us; at the end they are closed and given back. Raises OutageError."""
    client_id = f"unenroll-{uuid4()}"
    async with joined(means.settings, client_id) as consumer:
        start = _Starter(means=means, client_id=client_id).start
        lanes = Lanes(consumer, start, waiting=means.waiting, board=means.seen.board)
        consumer.subscribe(means.input_topics, listener=lanes)
        means.seen.board.stage = Stage.WORKING
        try:
            yield Held(lanes, consumer)
        finally:
            means.seen.board.stage = Stage.STOPPING
            await lanes.leave()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Starter:
    means: Means
    client_id: str

    def start(self, number: int, topics: list[str], life: LaneLife) -> "asyncio.Task[None]":
        """A task that runs the lane of this partition number until it is to stop."""
        means, settings, step = self.means, self.means.settings, self.means.step
        lane = Lane(
            opening=Opening(
                pool=step.pool,
                cluster=means.cluster,
                coordinator=means.coordinator,
                key=LaneKey(topic_prefix=settings.topic_prefix, group_id=settings.group_id, partition=number),
                topics={name: means.topics[name] for name in topics},
                start=settings.start,
            ),
            arrival=means.arrival,
            step=step,
            intake=Intake(
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
