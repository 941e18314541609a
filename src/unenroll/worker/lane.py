"""One lane: a partition number of every input topic, read, decided and published batch after batch."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from time import monotonic, perf_counter

import asyncpg
import structlog

from unenroll.errors import LaneLostError, OutageError, RefusedError, TooMuchError
from unenroll.kafka.admin import Partition
from unenroll.kafka.consumer import Reader, Taken, reading
from unenroll.kafka.consumer_group import Coordinator
from unenroll.kafka.transactional_producer import LaneProducer
from unenroll.postgres.errors import took_too_long
from unenroll.postgres.lanes import LaneRow, leave_lane, note_published
from unenroll.settings import WorkerSettings
from unenroll.telemetry.state import Lap
from unenroll.wire.topics import Position
from unenroll.worker.backoff import Patience, Waiting
from unenroll.worker.batch import Batch, read
from unenroll.worker.definition_wait import Arrival
from unenroll.worker.lane_telemetry import Seen
from unenroll.worker.lanes import LaneLife
from unenroll.worker.recovery import Opening, commits
from unenroll.worker.transaction import Decisions, Step

_ASK_AGAIN_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Intake:
    """A lane's right to its partitions, and its way to their records. `client_id` is its worker's in the group."""

    settings: WorkerSettings
    coordinator: Coordinator
    client_id: str
    number: int
    topics: Iterable[str]

    async def owned(self, stopping: asyncio.Event) -> bool:
        """Wait until the group's coordinator says that the lane is ours; False if it is to stop before.

        A resumed zombie that did not ask would fence the rightful owner. That nothing is decided or published by two of
        them is the business of the row's epoch and of the transactional id, whatever is answered here.
        """
        mine = {Partition(topic=topic, number=self.number) for topic in self.topics}
        while not stopping.is_set():
            owners = await self.coordinator.owners()
            if all(owners.get(place) == self.client_id for place in mine):
                return True
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _ASK_AGAIN_SECONDS)
        return False

    def reading(self, positions: Iterable[Position]) -> AbstractAsyncContextManager[Reader]:
        """The lane's records from these positions on."""
        return reading(self.settings, self.number, tuple(positions))


_QUIET_SECONDS = 30.0


@dataclass(kw_only=True, slots=True)
class Quiet:
    """One opening's. A worker that is killed while it is idle leaves a row that knows all that was published.

    So the number is known also when the committed offsets, and the number beside them, expire or are reset before the
    lane is opened again.
    """

    pool: asyncpg.Pool
    noted: int
    since: float

    async def go_by(self, lane: LaneRow) -> None:
        """The lane had nothing to do. Raises OutageError."""
        if lane.published > self.noted and monotonic() - self.since > _QUIET_SECONDS:
            await note_published(self.pool, lane)
            self.noted = lane.published

    def end(self) -> None:
        """It had."""
        self.since = monotonic()


log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """What a lane works with. `producer` makes a new one for every opening."""

    opening: Opening
    arrival: Arrival
    step: Step
    intake: Intake
    producer: Callable[[], LaneProducer]
    accepts: Mapping[str, frozenset[str]]
    life: LaneLife
    waiting: Waiting
    seen: Seen

    async def run(self) -> None:
        """Work until the lane is to stop. Raises SetupError and DataLossError: nobody but a person can help.

        Whatever else goes wrong is a strike: the producer is thrown away and the lane opened again.
        """
        patience = Patience(lane=self.opening.key.partition, stopping=self.life.stopping, waiting=self.waiting)
        while not self.life.stopping.is_set():
            try:
                await self._live(patience)
            except (OutageError, LaneLostError) as strike:
                self.seen.strike(strike)
                await patience.lose(strike)

    async def _live(self, patience: Patience) -> None:
        if not await self.intake.owned(self.life.stopping):
            return
        row = await self.opening.take()
        async with self.producer() as producer:
            lane = await self.opening.open(row, producer)
            async with self.intake.reading(lane.positions) as reader:
                self.life.opened.set()
                self.seen.reading(lane)
                log.info("lane_opened", lane=lane.partition, epoch=lane.epoch, sequence=lane.sequence)
                quiet = Quiet(pool=self.step.pool, noted=row.published, since=monotonic())
                while (taken := await reader.take(self.life.stopping)) is not None:
                    patience.regain()
                    if taken.ends != lane.positions:
                        lane = await self._process(lane, self._read(taken), producer, patience=patience)
                        quiet.end()
                    else:
                        await quiet.go_by(lane)
            await leave_lane(self.step.pool, lane)

    def _read(self, taken: Taken) -> Batch:
        began = perf_counter()
        batch = Batch(readings=read(taken.records, self.accepts), ends=taken.ends)
        self.seen.decoded(Lap("decode", began, perf_counter()))
        return batch

    async def _process(self, lane: LaneRow, batch: Batch, producer: LaneProducer, *, patience: Patience) -> LaneRow:
        try:
            return await self._decide_and_publish(lane, batch, producer, patience=patience)
        except TooMuchError:
            log.info("batch_halved", lane=lane.partition, records=len(batch.readings) // 2)
        except RefusedError as refused:
            if len(batch.readings) <= 1:
                log.warning("record_refused_by_postgres", lane=lane.partition)  # its text may be the record's
                return await self._decide_and_publish(lane, batch.blamed(str(refused)), producer, patience=patience)
        for half in batch.halves(lane.positions):
            lane = await self._process(lane, half, producer, patience=patience)
        return lane

    async def _decide_and_publish(
        self, lane: LaneRow, batch: Batch, producer: LaneProducer, *, patience: Patience
    ) -> LaneRow:
        self.seen.deciding(batch)
        decisions = await self._decide(lane, batch, patience)
        with self.seen.publishing(batch, decisions):
            await producer.publish(decisions.messages, commits(decisions.lane))
        return replace(decisions.lane, published=decisions.lane.sequence)

    async def _decide(self, lane: LaneRow, batch: Batch, patience: Patience) -> Decisions:
        while True:
            try:
                await self.arrival.wait(batch.readings, self.life.stopping)
                decisions = await self.step.decide(lane, batch)
            except OutageError as outage:
                self.seen.trying_again(outage)
                await patience.lose(outage)
                if self.life.stopping.is_set():
                    raise LaneLostError("stopped while Postgres was away") from outage
                if took_too_long(outage) and len(batch.readings) > 1:
                    raise TooMuchError("a transaction of its own for each half may be short enough") from outage
            else:
                patience.regain()
                return decisions
