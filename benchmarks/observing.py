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
from unenroll.telemetry.state import ProcessState, StepTiming
from unenroll.telemetry.tracing import Traces
from unenroll.wire.decode import ReceivedEvent
from unenroll.wire.topics import CARRIES, Message, Position, Record, Topic
from unenroll.worker.batch import Batch, DecodedRecord, decode_records, identity
from unenroll.worker.fold import RecordedEvent, content_of
from unenroll.worker.lane_telemetry import LaneTelemetry
from unenroll.worker.numbering import UNENROLLED, NewResult
from unenroll.worker.telemetry import WorkerTelemetry, build_info
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


def _new_result(decoded: DecodedRecord) -> NewResult:
    content = decoded.content
    assert isinstance(content, ReceivedEvent)  # noqa: S101 - for the type checker
    return decoded, RecordedEvent(content, identity(content), content_of(content), Outcome.UNENROLLED, 1, ())


def _microseconds(work: Callable[[], object]) -> float:
    """Of the processor, for a record: the least of many times."""
    least = float("inf")
    for _ in range(_TIMES):
        began = process_time()
        work()
        least = min(least, process_time() - began)
    return least / _RECORDS * 1e6


def _result(batch: Batch) -> BatchResult:
    return BatchResult(
        batch=batch,
        lane=LaneRow(lane_id=1, partition=0, epoch=1, sequence=0, published=0, positions=batch.ends),
        messages=tuple(Message(topic=word, key=b"", value=b"") for word in ("unenrollments", "rewards")) * _RECORDS,
        tallies=Counter({(_TOPIC, UNENROLLED, "UNENROLLED"): _RECORDS}),
        new_results=tuple(map(_new_result, batch.records)),
        refused=0,
        largest_account=1,
        timings=tuple(StepTiming(step, 0.0, 0.01) for step in ("gather", "settle", "save")),
    )


def _observe(telemetry: LaneTelemetry, batch: Batch, result: BatchResult) -> None:
    telemetry.decoded(StepTiming("decode", 0.0, 0.01))
    telemetry.deciding(batch)
    with telemetry.publishing(result):
        pass


def main() -> None:
    """Print both."""
    sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - the log, until the end
    configure_logging(LogFormat.JSON)
    records = [_record(number) for number in range(_RECORDS)]
    accepts = {_TOPIC: CARRIES[Topic.REQUESTS]}
    ends = (Position(topic=_TOPIC, topic_id="bench", partitions=4, offset=_RECORDS),)
    batch = Batch(records=decode_records(records, accepts), ends=ends)
    result = _result(batch)
    worker = WorkerTelemetry(
        prefix="unenroll.", state=ProcessState(), meters=worker_meters(build_info()), traces=Traces()
    )
    telemetry = worker.lane(0)
    print(f"decoding   {_microseconds(lambda: decode_records(records, accepts)):6.2f} us a record")
    print(f"observing  {_microseconds(lambda: _observe(telemetry, batch, result)):6.2f} us a record")


if __name__ == "__main__":
    main()
