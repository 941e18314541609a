"""Records that are to be put aside, each for another reason, made from a workload's own events."""

import json
from collections.abc import Iterator
from dataclasses import replace

from support.account_histories import tick
from support.arrivals import record_of
from support.topics import NewRecord
from support.workload import Workload
from unenroll.core.events import CustomerEnrolled, EventId, RewardIssued


def bad_records(workload: Workload) -> list[NewRecord]:
    """For topic `facts`, behind all else: a conflict must not come before what it contradicts."""
    return [bad for number, good in enumerate(_of_facts(workload)) for bad in _ways(good, number)]


def _of_facts(workload: Workload) -> Iterator[CustomerEnrolled]:
    for history in workload.histories[::4]:
        first = next((event for event in history.events if isinstance(event, CustomerEnrolled)), None)
        if first is not None:
            yield first


def _ways(good: CustomerEnrolled, number: int) -> Iterator[NewRecord]:
    whole = record_of(good)
    yield NewRecord(key=whole.key, value=b"not JSON, number %d" % number, headers=whole.headers)
    yield record_of(replace(good, enrolled_at=tick(97)))
    yield NewRecord(key=whole.key, value=json.dumps({"customerId": number}).encode(), headers=whole.headers)
    if number % 2:
        yield NewRecord(key=whole.key, value=b"not JSON, number %d" % number, headers=whole.headers)
    else:
        key = EventId(f"of no target {number}", good.key.source)
        yield record_of(
            RewardIssued(key=key, reward_id="R0", customer_id=good.customer_id, target_id=1, issued_at=tick(1))
        )
