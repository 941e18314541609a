"""One lane: consumes one partition number of every input topic, and decides and publishes batch after batch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import monotonic, perf_counter

import asyncpg
import structlog

from unenroll.errors import BatchTooLargeError, LaneLostError, OutageError, RefusedError
from unenroll.kafka.consumer import ConsumedRecords
from unenroll.kafka.transactional_producer import LaneProducer
from unenroll.postgres.errors import took_too_long
from unenroll.postgres.lanes import LaneRow, release_lane, save_published
from unenroll.telemetry.state import StepTiming
from unenroll.worker.backoff import Backoff
from unenroll.worker.batch import Batch, decode_records
from unenroll.worker.definition_wait import DefinitionWait
from unenroll.worker.lane_telemetry import LaneTelemetry
from unenroll.worker.lanes import LaneEvents, LanePartitions
from unenroll.worker.recovery import LaneRecovery
from unenroll.worker.transaction import BatchResult, BatchTransaction, offsets_to_commit

log = structlog.get_logger()

_IDLE_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """One lane of a worker. `new_producer` makes the producer for each opening of the lane.

    `accepts` has the event types of each input topic.
    """

    events: LaneEvents
    partitions: LanePartitions
    recovery: LaneRecovery
    new_producer: Callable[[], LaneProducer]
    accepts: Mapping[str, frozenset[str]]
    definition_wait: DefinitionWait
    transaction: BatchTransaction
    backoff: Backoff
    telemetry: LaneTelemetry
    size: "BatchSize"

    async def run(self) -> None:
        """Process records until the lane has to stop.

        After an outage, or when another worker took the lane, closes the producer and opens the lane again. Raises
        SetupError and DataLossError, where a person has to act.
        """
        while not self.events.stopping.is_set():
            try:
                await self._open_and_process()
            except (OutageError, LaneLostError) as error:
                self.telemetry.reopening(error)
                await self.backoff.wait(error)

    async def _open_and_process(self) -> None:
        stopping = self.events.stopping
        if not await self.partitions.wait_for_ownership(stopping):
            return
        row = await self.recovery.take()
        async with self.new_producer() as producer:
            lane = await self.recovery.open(row, producer)
            async with self.partitions.consume(lane.positions) as consumer:
                self._opened(lane)
                checkpoint = IdleCheckpoint(pool=self.transaction.pool, saved=row.published)
                while (consumed := await consumer.poll(stopping)) is not None:
                    self.backoff.reset()
                    if consumed.ends == lane.positions:
                        await checkpoint.save_if_idle(lane)
                    else:
                        lane = await self._process(lane, self._decode(consumed), producer)
                        checkpoint.restart()
            await release_lane(self.transaction.pool, lane)

    def _opened(self, lane: LaneRow) -> None:
        self.events.opened.set()
        self.telemetry.reading(lane)
        log.info("lane_opened", lane=lane.partition, epoch=lane.epoch, sequence=lane.sequence)

    def _decode(self, consumed: ConsumedRecords) -> Batch:
        began = perf_counter()
        batch = Batch(records=decode_records(consumed.records, self.accepts), ends=consumed.ends)
        self.telemetry.decoded(StepTiming("decode", began, perf_counter()))
        return batch

    async def _process(self, lane: LaneRow, batch: Batch, producer: LaneProducer) -> LaneRow:
        """Decide and publish the batch. Returns the lane after it.

        Does it in parts if it takes too long, publishes too much, or if Postgres refuses a record.
        """
        rest = batch
        while True:
            part = rest.first(self.size.records, lane.positions)
            try:
                result = await self._decide_and_publish(lane, part, producer)
            except BatchTooLargeError:
                self.size.too_much(len(part.records))
                log.info("batch_halved", lane=lane.partition, records=self.size.records)
                continue
            except RefusedError:  # the message may quote a record
                if self.size.singly and len(part.records) <= 1:
                    raise  # Postgres refuses the dead letter, too
                self.size.refused(len(part.records))
                log.debug("batch_refused_by_postgres", lane=lane.partition, records=len(part.records))
                continue
            lane = replace(result.lane, published=result.lane.sequence)
            self.size.decided(len(part.records), result)
            if len(result.batch.records) == len(rest.records):
                return lane
            rest = rest.after(len(result.batch.records))

    async def _decide_and_publish(self, lane: LaneRow, batch: Batch, producer: LaneProducer) -> BatchResult:
        self.telemetry.deciding(batch)
        result = await self._decide(lane, batch)
        if result.refused:
            log.warning("records_refused_by_postgres", lane=lane.partition, records=result.refused)
        with self.telemetry.publishing(result):
            await producer.publish(result.messages, offsets_to_commit(result.lane))
        return result

    async def _decide(self, lane: LaneRow, batch: Batch) -> BatchResult:
        """Decide the batch. While Postgres is away, retries until the lane has to stop."""
        while True:
            try:
                await self.definition_wait.wait(batch.records, self.events.stopping)
                result = await self.transaction.decide(lane, batch, singly=self.size.singly)
            except OutageError as outage:
                self.telemetry.retrying(outage)
                await self.backoff.wait(outage)
                if self.events.stopping.is_set():
                    raise LaneLostError("the lane had to stop while Postgres was away") from outage
                if took_too_long(outage) and len(batch.records) > 1:
                    raise BatchTooLargeError("the transaction took too long: halve the batch") from outage
            else:
                self.backoff.reset()
                return result


_MAX_BATCH_RECORDS = 100_000
_REFUSALS_UNTIL_SINGLY = 3


@dataclass(slots=True)
class BatchSize:
    """How many records a lane decides in one transaction: fewer where that failed, twice as many after each success.

    After three refusals in a row it decides the records `singly`, until less than half of them are refused.
    """

    records: int = _MAX_BATCH_RECORDS
    singly: bool = False
    _refusals: int = 0

    def too_much(self, records: int) -> None:
        """A transaction of so many records took too long."""
        self.records = max(1, records // 2)

    def refused(self, records: int) -> None:
        """Postgres has refused a transaction of so many records."""
        self._refusals += 1
        self.singly = self._refusals >= _REFUSALS_UNTIL_SINGLY or records == 1
        self.records = max(1, records // 2)

    def decided(self, records: int, result: BatchResult) -> None:
        """A transaction of so many records has decided these."""
        done = len(result.batch.records)
        self.singly = self.singly and 2 * result.refused >= done
        self._refusals = 0
        self.records = max(1, done) if done < records else min(_MAX_BATCH_RECORDS, 2 * max(records, self.records))


class IdleCheckpoint:
    """Saves the number of the last published decision in Postgres when the lane has been idle for 30 s.

    So Postgres has the number even if the worker is killed, and Kafka then loses the committed offsets or somebody
    resets them before the lane is opened again.
    """

    def __init__(self, *, pool: asyncpg.Pool, saved: int) -> None:
        self._pool = pool
        self._saved = saved
        self._idle_since = monotonic()

    def restart(self) -> None:
        """Measure the idle time from now on."""
        self._idle_since = monotonic()

    async def save_if_idle(self, lane: LaneRow) -> None:
        """Save the number if it is new and the lane has been idle for long enough. Raises OutageError."""
        if lane.published > self._saved and monotonic() - self._idle_since > _IDLE_SECONDS:
            await save_published(self._pool, lane)
            self._saved = lane.published
