"""Decisions published again, to the byte, lane after lane in their order: once per replay id, whatever dies meanwhile.

How far a lane's share is stands in the offsets of a consumer group of the replay's own. They are committed in the
transaction that publishes, so they tell what is visible; the lanes' own offsets stay as they are.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg

from unenroll.errors import SetupError
from unenroll.replay.marked import Marking
from unenroll.replay.pace import Pace
from unenroll.replay.slices import Progress, slices
from unenroll.settings import WorkerSettings
from unenroll.store.replays import Lane, Replay, publications_between
from unenroll.stream.cluster import Partition
from unenroll.stream.coordinator import Coordinator
from unenroll.stream.producer import LaneProducer
from unenroll.wire.record import Message, batch_bytes

_BATCHES_AT_ONCE = 50
_MESSAGES_AT_ONCE = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class Emitting:
    """A replay that publishes again. `places` has a partition for each lane's progress, `limits` bytes by topic word.

    `done` is told how many decisions more are behind us. `counts` has how many messages went to each topic.
    """

    pool: asyncpg.Pool
    settings: WorkerSettings
    replay: Replay
    marking: Marking
    places: Mapping[int, Partition]
    limits: Mapping[str, int]
    pace: Pace
    stopping: asyncio.Event
    done: Callable[[int], None]
    dry_run: bool
    counts: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Publish what is left of each lane, until stopping. Raises OutageError and SetupError: it may go on later."""
        group_id = f"{self.replay.group_id}.replay.{self.replay.replay_id}"
        settings = self.settings.model_copy(update={"group_id": group_id})
        async with Coordinator(settings) as coordinator:
            for lane in self.replay.lanes:
                if self.dry_run:
                    await self._go_on(lane, Progress(), None)
                else:
                    await self._lane(lane, settings, coordinator)

    async def _lane(self, lane: Lane, settings: WorkerSettings, coordinator: Coordinator) -> None:
        producer = LaneProducer.of_lane(settings, lane.partition, batch_bytes=min(self.limits.values()))
        place = self.places[lane.partition]
        async with producer:  # what a run that died has left open is ended by that, so the offsets are the last word
            committed = (await coordinator.committed([place]))[place]
            await self._go_on(lane, Progress.of(committed), producer)

    async def _go_on(self, lane: Lane, at: Progress, producer: LaneProducer | None) -> None:
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
