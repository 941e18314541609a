"""The telemetry of one lane: its state, metrics, log lines and spans."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter, time
from typing import Any

import structlog

from unenroll.errors import LaneLostError, OutageError
from unenroll.postgres.lanes import LaneRow
from unenroll.telemetry.collectors import APPEND, EVENT, WorkerMeters
from unenroll.telemetry.state import LaneActivity, LaneState, ProcessState, StepTiming
from unenroll.telemetry.tracing import TracedRecord, Traces, sampled, trace_id
from unenroll.wire.decode import ReceivedEvent
from unenroll.wire.topics import append_time
from unenroll.worker.batch import Batch, DecodedRecord
from unenroll.worker.numbering import DEAD_LETTERED, NewResult, refusal_reason
from unenroll.worker.transaction import BatchResult

log = structlog.get_logger()

_LANE_LOST = "lane_lost"


@dataclass(kw_only=True, slots=True)
class LaneTelemetry:
    """The telemetry of one lane. `prefix` is the prefix of the topics' names."""

    number: int
    prefix: str
    process: ProcessState
    state: LaneState
    meters: WorkerMeters
    traces: Traces
    _decoding: StepTiming | None = None

    def reading(self, lane: LaneRow) -> None:
        """The lane has published up to its positions and reads on."""
        self.state.published_up_to((position.topic, position.offset) for position in lane.positions)
        self.state.activity = LaneActivity.READING

    def reopening(self, error: OutageError | LaneLostError) -> None:
        """The lane has to be opened again because of this error."""
        self.meters.reopenings.labels(error.server if isinstance(error, OutageError) else _LANE_LOST).inc()
        self.state.activity = LaneActivity.OPENING

    def decoded(self, step: StepTiming) -> None:
        """The lane has decoded a batch."""
        self.meters.step_seconds.labels(step.step).observe(step.seconds)
        self._decoding = step

    def deciding(self, batch: Batch) -> None:
        """The lane starts to decide the batch."""
        self.state.oldest_in_batch = min(_append_times(batch.records), default=None)
        self.state.activity = LaneActivity.DECIDING

    def retrying(self, outage: OutageError) -> None:
        """The lane has to decide the batch again because of this error."""
        self.meters.retries.labels(outage.server).inc()

    @contextmanager
    def publishing(self, result: BatchResult) -> Iterator[None]:
        """The lane publishes the result within the block. After that, records metrics, spans and a log line."""
        self.state.activity = LaneActivity.PUBLISHING
        began = perf_counter()
        yield
        steps = (*result.timings, StepTiming("publish", began, perf_counter()))
        self._measure(result, steps)
        self._log(result, steps, trace=self._trace(result, steps))
        self.process.record_progress()
        self.process.largest_account = max(self.process.largest_account, result.largest_account)
        self.reading(result.lane)

    def _measure(self, result: BatchResult, steps: Sequence[StepTiming]) -> None:
        meters, now = self.meters, time()
        meters.batches.inc()
        meters.batch_records.observe(len(result.batch.records))
        for step in steps:
            meters.step_seconds.labels(step.step).observe(step.seconds)
        for (topic, outcome, reason), count in result.tallies.items():
            meters.records.labels(topic.removeprefix(self.prefix), outcome, reason).inc(count)
            if outcome == DEAD_LETTERED:
                meters.dead_letters.labels(reason).inc(count)
        for topic, count in Counter(message.topic for message in result.messages).items():
            meters.published.labels(topic).inc(count)
        records = [decoded for decoded, _ in result.new_results]
        event_times = filter(None, map(_event_time, records))
        meters.ages.observe_all(EVENT, [now - event_time.timestamp() for event_time in event_times])
        meters.ages.observe_all(APPEND, [now - appended for appended in _append_times(records)])

    def _trace(self, result: BatchResult, steps: Sequence[StepTiming]) -> str | None:
        if not self.traces.enabled or not result.batch.records:
            return None
        all_steps = steps if self._decoding is None else (self._decoding, *steps)
        attributes = {"unenroll.lane": self.number, "messaging.batch.message_count": len(result.batch.records)}
        return self.traces.batch(all_steps, _traced_records(result.new_results), attributes)

    def _log(self, result: BatchResult, steps: Sequence[StepTiming], *, trace: str | None) -> None:
        if log.is_enabled_for(logging.DEBUG):
            for decoded, one in result.new_results:
                if (reason := refusal_reason(one)) is not None:
                    log.debug("request_refused", lane=self.number, **_refusal_fields(decoded, reason))
        log.info(
            "batch_published",
            lane=self.number,
            records=len(result.batch.records),
            published=len(result.messages),
            decide_ms=round(sum(step.seconds for step in steps[:-1]) * 1000, 1),
            publish_ms=round(steps[-1].seconds * 1000, 1),
            **({} if trace is None else {"trace_id": trace}),
            **result.counts,
        )


def _append_times(records: Iterable[DecodedRecord]) -> list[float]:
    """The Unix times when the records were appended, of those that have one."""
    return [at for decoded in records if (at := append_time(decoded.record.appended_ms)) is not None]


def _event_time(decoded: DecodedRecord) -> datetime | None:
    return decoded.content.time if isinstance(decoded.content, ReceivedEvent) else None


def _refusal_fields(decoded: DecodedRecord, reason: str) -> dict[str, Any]:
    """The fields of the log line: ids and our own words, and no text of the sender."""
    record, content = decoded.record, decoded.content
    fields: dict[str, Any] = {"topic": record.topic, "offset": record.offset, "outcome": reason}
    if isinstance(content, ReceivedEvent):
        event = content.event
        fields |= {"customer": event.customer_id, "target": event.target_id, "event_key": content.event_key}
        if (trace := trace_id(content.traceparent)) is not None:
            fields["trace_id"] = trace
    return fields


def _traced_records(results: Iterable[NewResult]) -> Iterator[TracedRecord]:
    """The records whose sender records the trace."""
    for decoded, result in results:
        record, content = decoded.record, decoded.content
        if not isinstance(content, ReceivedEvent) or content.traceparent is None or not sampled(content.traceparent):
            continue
        attributes: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
            "unenroll.event": content.event_key,
            "unenroll.outcome": refusal_reason(result) or "taken",
        }
        yield TracedRecord(content.traceparent.decode("ascii"), content.event_type, attributes)
