"""One lane: a partition number of every input topic, read, decided and published batch after batch."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from time import monotonic, perf_counter

import asyncpg
import structlog

from unenroll.errors import LaneLostError, OutageError, RefusedError, TooMuchError
from unenroll.kafka.admin import TopicPartitionNumber
from unenroll.kafka.consumer import ConsumedRecords, LaneConsumer, open_consumer
from unenroll.kafka.consumer_group import GroupCoordinator
from unenroll.kafka.transactional_producer import LaneProducer
from unenroll.postgres.errors import took_too_long
from unenroll.postgres.lanes import LaneRow, leave_lane, note_published
from unenroll.settings import WorkerSettings
from unenroll.telemetry.state import StepTiming
from unenroll.wire.topics import Position
from unenroll.worker.backoff import Backoff, OutageLog
from unenroll.worker.batch import Batch, read
from unenroll.worker.definition_wait import DefinitionWait
from unenroll.worker.lane_telemetry import LaneTelemetry
from unenroll.worker.lanes import LaneEvents
from unenroll.worker.recovery import LaneRecovery, commits
from unenroll.worker.transaction import BatchResult, BatchTransaction

_ASK_AGAIN_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class LanePartitions:
    """A lane's right to its partitions, and its way to their records. `client_id` is its worker's in the group."""

    settings: WorkerSettings
    coordinator: GroupCoordinator
    client_id: str
    number: int
    topics: Iterable[str]

    async def owned(self, stopping: asyncio.Event) -> bool:
        """Wait until the group's coordinator says that the lane is ours; False if it is to stop before.

        A resumed zombie that did not ask would fence the rightful owner. That nothing is decided or published by two of
        them is the business of the row's epoch and of the transactional id, whatever is answered here.
        """
        mine = {TopicPartitionNumber(topic=topic, number=self.number) for topic in self.topics}
        while not stopping.is_set():
            owners = await self.coordinator.owners()
            if all(owners.get(place) == self.client_id for place in mine):
                return True
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _ASK_AGAIN_SECONDS)
        return False

    def reading(self, positions: Iterable[Position]) -> AbstractAsyncContextManager[LaneConsumer]:
        """The lane's records from these positions on."""
        return open_consumer(self.settings, self.number, tuple(positions))


_QUIET_SECONDS = 30.0


@dataclass(kw_only=True, slots=True)
class IdleCheckpoint:
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

    opening: LaneRecovery
    arrival: DefinitionWait
    step: BatchTransaction
    intake: LanePartitions
    producer: Callable[[], LaneProducer]
    accepts: Mapping[str, frozenset[str]]
    life: LaneEvents
    waiting: OutageLog
    seen: LaneTelemetry

    async def run(self) -> None:
        """Work until the lane is to stop. Raises SetupError and DataLossError: nobody but a person can help.

        Whatever else goes wrong is a strike: the producer is thrown away and the lane opened again.
        """
        patience = Backoff(lane=self.opening.key.partition, stopping=self.life.stopping, waiting=self.waiting)
        while not self.life.stopping.is_set():
            try:
                await self._live(patience)
            except (OutageError, LaneLostError) as strike:
                self.seen.strike(strike)
                await patience.lose(strike)

    async def _live(self, patience: Backoff) -> None:
        if not await self.intake.owned(self.life.stopping):
            return
        row = await self.opening.take()
        async with self.producer() as producer:
            lane = await self.opening.open(row, producer)
            async with self.intake.reading(lane.positions) as reader:
                self.life.opened.set()
                self.seen.reading(lane)
                log.info("lane_opened", lane=lane.partition, epoch=lane.epoch, sequence=lane.sequence)
                quiet = IdleCheckpoint(pool=self.step.pool, noted=row.published, since=monotonic())
                while (taken := await reader.take(self.life.stopping)) is not None:
                    patience.regain()
                    if taken.ends != lane.positions:
                        lane = await self._process(lane, self._read(taken), producer, patience=patience)
                        quiet.end()
                    else:
                        await quiet.go_by(lane)
            await leave_lane(self.step.pool, lane)

    def _read(self, taken: ConsumedRecords) -> Batch:
        began = perf_counter()
        batch = Batch(readings=read(taken.records, self.accepts), ends=taken.ends)
        self.seen.decoded(StepTiming("decode", began, perf_counter()))
        return batch

    async def _process(self, lane: LaneRow, batch: Batch, producer: LaneProducer, *, patience: Backoff) -> LaneRow:
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
        self, lane: LaneRow, batch: Batch, producer: LaneProducer, *, patience: Backoff
    ) -> LaneRow:
        self.seen.deciding(batch)
        decisions = await self._decide(lane, batch, patience)
        with self.seen.publishing(batch, decisions):
            await producer.publish(decisions.messages, commits(decisions.lane))
        return replace(decisions.lane, published=decisions.lane.sequence)

    async def _decide(self, lane: LaneRow, batch: Batch, patience: Backoff) -> BatchResult:
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
