"""The lanes of one worker: opens the lanes that the group assigns, and closes them before the group revokes them."""

import asyncio
import gc
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from unenroll.errors import UnenrollError
from unenroll.kafka.admin import TopicPartitionNumber
from unenroll.kafka.consumer import LaneConsumer, open_consumer
from unenroll.kafka.consumer_group import GroupCoordinator
from unenroll.settings import WorkerSettings
from unenroll.telemetry.state import ProcessState
from unenroll.wire.topics import Position
from unenroll.worker.backoff import OutageLog

log = structlog.get_logger()

DRAIN_SECONDS = 20.0
CUT_OFF_SECONDS = 5.0
_OWNERSHIP_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class LaneEvents:
    """`opened` is set once the lane is open. `stopping` asks the lane to stop."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, kw_only=True, slots=True)
class LanePartitions:
    """The partitions of a lane. `client_id` names the worker in the consumer group."""

    settings: WorkerSettings
    coordinator: GroupCoordinator
    client_id: str
    number: int
    topics: Iterable[str]

    async def wait_for_ownership(self, stopping: asyncio.Event) -> bool:
        """Wait until the group coordinator says that this worker owns the partitions. False if `stopping` is set first.

        Without this, a worker that was frozen and resumes would fence the producer of the new owner. That two owners do
        not decide or publish the same records does not depend on it: the epoch of the row and the transactional id
        prevent it.
        """
        partitions = [TopicPartitionNumber(topic=topic, number=self.number) for topic in self.topics]
        while not stopping.is_set():
            owners = await self.coordinator.owners()
            if all(owners.get(partition) == self.client_id for partition in partitions):
                return True
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _OWNERSHIP_POLL_SECONDS)
        return False

    def consume(self, positions: Iterable[Position]) -> AbstractAsyncContextManager[LaneConsumer]:
        """A consumer of the lane's records that starts at these positions."""
        return open_consumer(self.settings, self.number, tuple(positions))


LaneStarter = Callable[[int, list[str], LaneEvents], "asyncio.Task[None]"]
"""Starts the lane of a partition number of these topics."""


class Lanes(ConsumerRebalanceListener):  # type: ignore[misc] # the client carries no types
    """The lanes of a worker. `failure` gets the first error of a lane: aiokafka ignores what a listener raises."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        start_lane: LaneStarter,
        *,
        outages: OutageLog,
        state: ProcessState | None = None,
    ) -> None:
        self._consumer = consumer
        self._start_lane = start_lane
        self._outages = outages
        self._state = state or ProcessState()
        self._leaving = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._events: list[LaneEvents] | None = None
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def open(self) -> bool:
        """Whether the group has assigned lanes, perhaps none, and all of them were opened."""
        return self._events is not None and all(events.opened.is_set() for events in self._events)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Open a lane for each partition number. The consumer of the group fetches nothing: each lane has its own."""
        try:
            self._consumer.pause(*assigned)
            if not self._leaving:
                self._open(assigned)
        except Exception as error:  # noqa: BLE001 - aiokafka would ignore it
            self._fail(error)

    def _open(self, assigned: Iterable[TopicPartition]) -> None:
        topics: dict[int, list[str]] = defaultdict(list)
        for partition in assigned:
            topics[partition.partition].append(partition.topic)
        log.info("lanes_assigned", lanes=sorted(topics))
        self._outages.keep_lanes(topics)
        self._state.assign_lanes(topics)
        self._events = []
        for number in sorted(topics):
            events = LaneEvents()
            self._events.append(events)
            task = self._start_lane(number, sorted(topics[number]), events)
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Close the lanes. The group waits for this."""
        del revoked  # eager rebalancing revokes all partitions
        await self.close()

    async def leave(self) -> None:
        """Close the lanes for good: lanes that the group assigns after this are not opened."""
        self._leaving = True
        await self.close()

    async def close(self) -> None:
        """Let every lane finish its batch and close its producer. Cancels a lane that takes too long.

        Returns within 25 s (DRAIN_SECONDS, then CUT_OFF_SECONDS). A rebalance takes 30 s at most, and a worker may
        learn of it 3 s late, with its next heartbeat.
        """
        for events in self._events or ():
            events.stopping.set()
        self._events = None
        self._state.revoke_lanes()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=DRAIN_SECONDS)
        for task in late:
            task.cancel()
        if late:
            log.warning("lanes_drain_timeout", lanes=len(late), seconds=DRAIN_SECONDS)
            await asyncio.wait(late, timeout=CUT_OFF_SECONDS)
        # Closed clients are old objects in reference cycles: without this, Python would hardly ever collect them.
        gc.collect()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self.failure.done():
            return
        if not isinstance(error, UnenrollError):
            log.error("lane_failed", exc_info=error)
        self.failure.set_exception(error)
