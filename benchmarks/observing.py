"""What it costs to observe a batch, beside decoding it, without servers: `python -m benchmarks.observing [RECORDS]`."""

import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import process_time

from unenroll.core.outcomes import Outcome
from unenroll.logs import configure_logging
from unenroll.postgres.lanes import LaneRow
from unenroll.settings import LogFormat
from unenroll.telemetry.collectors import worker_meters
from unenroll.telemetry.state import ProcessState, StepTimer, StepTiming
from unenroll.telemetry.tracing import Traces
from unenroll.wire.decode import Received
from unenroll.wire.topics import CARRIES, Message, Position, Record, Topic
from unenroll.worker.batch import Batch, DecodedRecord, identity, read
from unenroll.worker.fold import RecordedEvent, content_of
from unenroll.worker.lane_telemetry import LaneTelemetry
from unenroll.worker.numbering import UNENROLLED, Told
from unenroll.worker.telemetry import WorkerTelemetry, build
from unenroll.worker.transaction import BatchResult

_RECORDS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
_TIMES = 200
_TOPIC = "unenroll.requests"


def _record(number: int) -> Record:
    attributes = {"specversion": "1.0", "type": "unenroll.UnenrollRequested.v1", "source": "/crm", "id": str(number)}
    headers = {**attributes, "time": "2026-03-15T00:00:00Z"}
    return Record(
        topic=_TOPIC,
        partition=0,
        offset=number,
        key=b"%d" % number,
        value=json.dumps({"customerId": number + 1, "targetGroupId": 11, "targetId": 21}).encode(),
        headers=(
            *((f"ce_{name}", value.encode()) for name, value in headers.items()),
            ("content-type", b"application/json"),
        ),
        appended_ms=1_770_000_000_000 + number // 10,
    )


def _kept(reading: DecodedRecord) -> Told:
    content = reading.content
    assert isinstance(content, Received)  # noqa: S101 - for the type checker
    return reading, RecordedEvent(content, identity(content), content_of(content), Outcome.UNENROLLED, 1, ())


def _microseconds(work: Callable[[], object]) -> float:
    """Of the processor, for a record: the least of many times."""
    least = float("inf")
    for _ in range(_TIMES):
        began = process_time()
        work()
        least = min(least, process_time() - began)
    return least / _RECORDS * 1e6


def _decisions(batch: Batch) -> BatchResult:
    laps = StepTimer()
    for step in ("gather", "settle", "save"):
        laps.end(step)
    return BatchResult(
        lane=LaneRow(lane_id=1, partition=0, epoch=1, sequence=0, published=0, positions=batch.ends),
        messages=tuple(Message(topic=word, key=b"", value=b"") for word in ("unenrollments", "rewards")) * _RECORDS,
        tallies=Counter({(_TOPIC, UNENROLLED, "UNENROLLED"): _RECORDS}),
        told=tuple(_kept(reading) for reading in batch.readings),
        laps=laps.all(),
    )


def _observe(seen: LaneTelemetry, batch: Batch, decisions: BatchResult) -> None:
    seen.decoded(StepTiming("decode", 0.0, 0.01))
    seen.deciding(batch)
    with seen.publishing(batch, decisions):
        pass


def main() -> None:
    """Print both."""
    sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - the log, until the end
    configure_logging(LogFormat.JSON)
    records = [_record(number) for number in range(_RECORDS)]
    accepts = {_TOPIC: CARRIES[Topic.REQUESTS]}
    ends = (Position(topic=_TOPIC, topic_id="bench", partitions=4, offset=_RECORDS),)
    batch = Batch(readings=read(records, accepts), ends=ends)
    decisions = _decisions(batch)
    observed = WorkerTelemetry(prefix="unenroll.", board=ProcessState(), meters=worker_meters(build()), traces=Traces())
    seen = observed.lane(0)
    print(f"decoding   {_microseconds(lambda: read(records, accepts)):6.2f} us a record")
    print(f"observing  {_microseconds(lambda: _observe(seen, batch, decisions)):6.2f} us a record")


if __name__ == "__main__":
    main()
