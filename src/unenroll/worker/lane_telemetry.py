"""What is seen of a lane from outside: its place on the board, its metrics, its log line for each batch, its spans."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from time import perf_counter, time
from typing import Any

import structlog

from unenroll.errors import LaneLostError, OutageError
from unenroll.postgres.lanes import LaneRow
from unenroll.telemetry.collectors import APPEND, EVENT, WorkerMeters
from unenroll.telemetry.state import LaneActivity, LaneState, ProcessState, StepTiming
from unenroll.telemetry.tracing import TracedRecord, Traces, sampled, trace_id
from unenroll.wire.decode import Received
from unenroll.worker.batch import Batch, DecodedRecord
from unenroll.worker.numbering import DEAD_LETTERED, Told, refusal
from unenroll.worker.transaction import BatchResult

log = structlog.get_logger()

_LANE_LOST = "lane_lost"
_APPENDED_MS = attrgetter("record.appended_ms")


@dataclass(kw_only=True, slots=True)
class LaneTelemetry:
    """One lane's. `prefix` is what the topics' names begin with."""

    number: int
    prefix: str
    board: ProcessState
    now: LaneState
    meters: WorkerMeters
    traces: Traces
    _decoding: StepTiming | None = None

    def opening(self) -> None:
        """It looks for its place."""
        self.now.turn_to(LaneActivity.OPENING)

    def reading(self, lane: LaneRow) -> None:
        """It has published up to here, and reads on."""
        self.now.stand_at((position.topic, position.offset) for position in lane.positions)
        self.now.turn_to(LaneActivity.READING)

    def strike(self, trouble: OutageError | LaneLostError) -> None:
        """It has to be opened again."""
        self.meters.reopenings.labels(trouble.server if isinstance(trouble, OutageError) else _LANE_LOST).inc()
        self.opening()

    def decoded(self, lap: StepTiming) -> None:
        """It has taken records, and decoded them."""
        self.meters.step_seconds.labels(lap.step).observe(lap.ended - lap.began)
        self._decoding = lap

    def deciding(self, batch: Batch) -> None:
        """It has this batch in hand."""
        oldest = min(filter(None, map(_APPENDED_MS, batch.readings)), default=-1)
        self.now.oldest_in_hand = oldest / 1000 if oldest > 0 else None
        self.now.turn_to(LaneActivity.DECIDING)

    def trying_again(self, trouble: OutageError) -> None:
        """A batch has to be decided again."""
        self.meters.retries.labels(trouble.server).inc()
        self.now.turn_to(LaneActivity.DECIDING)

    @contextmanager
    def publishing(self, batch: Batch, decisions: BatchResult) -> Iterator[None]:
        """What was decided is published within the block. Then it is told of."""
        self.now.turn_to(LaneActivity.PUBLISHING)
        began = perf_counter()
        yield
        laps = (*decisions.laps, StepTiming("publish", began, perf_counter()))
        self._measure(batch, decisions, laps)
        self._log(batch, decisions, laps, trace=self._trace(batch, decisions, laps))
        self.board.progress()
        self.reading(decisions.lane)

    def _measure(self, batch: Batch, decisions: BatchResult, laps: Sequence[StepTiming]) -> None:
        meters, now = self.meters, time()
        meters.batches.inc()
        meters.batch_records.observe(len(batch.readings))
        for lap in laps:
            meters.step_seconds.labels(lap.step).observe(lap.ended - lap.began)
        for (topic, done, word), count in decisions.tallies.items():
            meters.records.labels(topic.removeprefix(self.prefix), done, word).inc(count)
            if done == DEAD_LETTERED:
                meters.dead_letters.labels(word).inc(count)
        for topic, count in Counter(message.topic for message in decisions.messages).items():
            meters.published.labels(topic).inc(count)
        readings = [reading for reading, _ in decisions.told]
        meters.ages.take(EVENT, [now - at.timestamp() for at in map(_event_time, readings) if at])
        meters.ages.take(APPEND, [now - at / 1000 for at in map(_APPENDED_MS, readings) if at and at > 0])

    def _trace(self, batch: Batch, decisions: BatchResult, laps: Sequence[StepTiming]) -> str | None:
        if not self.traces.on or not batch.readings:
            return None
        all_laps = laps if self._decoding is None else (self._decoding, *laps)
        attributes = {"unenroll.lane": self.number, "messaging.batch.message_count": len(batch.readings)}
        return self.traces.batch(all_laps, _parts(decisions.told), attributes)

    def _log(self, batch: Batch, decisions: BatchResult, laps: Sequence[StepTiming], *, trace: str | None) -> None:
        if log.is_enabled_for(logging.DEBUG):
            for reading, fate in decisions.told:
                if (word := refusal(fate)) is not None:
                    log.debug("request_refused", lane=self.number, **_refused(reading, word))
        log.info(
            "batch_published",
            lane=self.number,
            records=len(batch.readings),
            published=len(decisions.messages),
            decide_ms=round(sum(lap.ended - lap.began for lap in laps[:-1]) * 1000, 1),
            publish_ms=round((laps[-1].ended - laps[-1].began) * 1000, 1),
            **({} if trace is None else {"trace_id": trace}),
            **decisions.counts,
        )


def _event_time(reading: DecodedRecord) -> datetime | None:
    return reading.content.time if isinstance(reading.content, Received) else None


def _refused(reading: DecodedRecord, word: str) -> dict[str, Any]:
    """What is said of it: ids and words of ours, and nothing else of what somebody sent."""
    record, content = reading.record, reading.content
    said: dict[str, Any] = {"topic": record.topic, "offset": record.offset, "outcome": word}
    if isinstance(content, Received):
        event = content.event
        said |= {"customer": event.customer_id, "target": event.target_id, "event_key": content.event_key}
        if (trace := trace_id(content.traceparent)) is not None:
            said["trace_id"] = trace
    return said


def _parts(told: Iterable[Told]) -> Iterator[TracedRecord]:
    """Those that whoever sent them records."""
    for reading, fate in told:
        record, content = reading.record, reading.content
        if not isinstance(content, Received) or content.traceparent is None or not sampled(content.traceparent):
            continue
        attributes: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
            "unenroll.event": content.event_key,
            "unenroll.outcome": refusal(fate) or "taken",
        }
        yield TracedRecord(content.traceparent.decode("ascii"), content.event_type, attributes)
