"""Records that are to be put aside, each for another reason, made from a crowd's own events."""

import json
from collections.abc import Iterator
from dataclasses import replace

from support.arrivals import put_of
from support.crowd import Crowd
from support.lives import tick
from support.topics import Put
from unenroll.core.events import CustomerEnrolled, EventId, RewardIssued


def bad_records(crowd: Crowd) -> list[Put]:
    """For topic `facts`, behind all else: a conflict must not come before what it contradicts."""
    return [bad for number, good in enumerate(_of_facts(crowd)) for bad in _ways(good, number)]


def _of_facts(crowd: Crowd) -> Iterator[CustomerEnrolled]:
    for life in crowd.lives[::4]:
        first = next((event for event in life.events if isinstance(event, CustomerEnrolled)), None)
        if first is not None:
            yield first


def _ways(good: CustomerEnrolled, number: int) -> Iterator[Put]:
    whole = put_of(good)
    yield Put(key=whole.key, value=b"not JSON, number %d" % number, headers=whole.headers)
    yield put_of(replace(good, enrolled_at=tick(97)))
    yield Put(key=whole.key, value=json.dumps({"customerId": number}).encode(), headers=whole.headers)
    if number % 2:
        yield Put(key=whole.key, value=b"not JSON, number %d" % number, headers=whole.headers)
    else:
        key = EventId(f"of no target {number}", good.key.source)
        yield put_of(
            RewardIssued(key=key, reward_id="R0", customer_id=good.customer_id, target_id=1, issued_at=tick(1))
        )
