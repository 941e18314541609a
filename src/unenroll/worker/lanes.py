"""The lanes of one worker: opened when the group gives them to it, closed before it gives them away."""

import asyncio
import gc
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from unenroll.errors import UnenrollError
from unenroll.telemetry.state import ProcessState
from unenroll.worker.backoff import OutageLog


@dataclass(frozen=True, slots=True)
class LaneEvents:
    """`opened` is set once the lane was open; `stopping` asks it to end."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


log = structlog.get_logger()

DRAIN_SECONDS = 20.0
CUT_OFF_SECONDS = 5.0

LaneStarter = Callable[[int, list[str], LaneEvents], "asyncio.Task[None]"]


class Lanes(ConsumerRebalanceListener):  # type: ignore[misc] # the client carries no types
    """The open lanes by partition number. aiokafka swallows what a listener raises, so failures are kept here."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        start_lane: LaneStarter,
        *,
        waiting: OutageLog,
        board: ProcessState | None = None,
    ) -> None:
        self._consumer = consumer
        self._start_lane = start_lane
        self._waiting = waiting
        self._board = board or ProcessState()
        self._leaving = False
        self._running: set[asyncio.Task[None]] = set()
        self._lives: list[LaneEvents] | None = None
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def open(self) -> bool:
        """Whether the group has given us lanes, perhaps none, and each of them was opened."""
        return self._lives is not None and all(life.opened.is_set() for life in self._lives)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Open a lane for each partition number. This consumer fetches nothing: each lane has a reader of its own."""
        try:
            self._consumer.pause(*assigned)
            if not self._leaving:
                self._open(assigned)
        except Exception as error:  # noqa: BLE001 - nobody else would ever hear of it
            self._fail(error)

    def _open(self, assigned: Iterable[TopicPartition]) -> None:
        self._lives = []
        topics: dict[int, list[str]] = defaultdict(list)
        for place in assigned:
            topics[place.partition].append(place.topic)
        log.info("lanes_assigned", lanes=sorted(topics))
        self._waiting.now_ours(topics)
        self._board.keep(topics)
        for number in sorted(topics):
            life = LaneEvents()
            self._lives.append(life)
            task = self._start_lane(number, sorted(topics[number]), life)
            self._running.add(task)
            task.add_done_callback(self._ended)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Finish what is in hand, within the time that a rebalance leaves for it."""
        del revoked  # eager rebalancing: it is all of them
        await self.close()

    async def leave(self) -> None:
        """Close the lanes for good: what the group still gives us, while we leave it, is not opened."""
        self._leaving = True
        await self.close()

    async def close(self) -> None:
        """Let every lane finish its batch, then its producer; what takes too long is cut off, and recovered later.

        Returns within 25 s (DRAIN_SECONDS, then CUT_OFF_SECONDS). A rebalance leaves 30 s, of which a worker may spend
        3 s until its next heartbeat tells it.
        """
        for life in self._lives or ():
            life.stopping.set()
        self._lives = None
        self._board.give_back()
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=DRAIN_SECONDS)
        for task in late:
            task.cancel()
        if late:
            log.warning("lanes_drain_timeout", lanes=len(late), seconds=DRAIN_SECONDS)
            await asyncio.wait(late, timeout=CUT_OFF_SECONDS)
        # Clients that are closed lie in cycles, and are old: by itself the collector would hardly ever come for them.
        gc.collect()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self.failed.done():
            return
        if not isinstance(error, UnenrollError):
            log.error("lane_failed", exc_info=error)
        self.failed.set_exception(error)
