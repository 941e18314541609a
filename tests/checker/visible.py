"""Decisions and what consumers see of them."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

from checker.evidence import Bytes, Evidence, bytes_of, named, spot_of
from checker.history import Spot
from support.consumer import receive
from unenroll.core.events import UnenrollRequested
from unenroll.core.outcomes import Outcome
from unenroll.postgres.ledger import LedgerRow
from unenroll.wire.decode import ReceivedEvent
from unenroll.wire.encode import named_uuid
from unenroll.wire.topics import full_type


def every_publication_says_what_was_decided(found: Evidence) -> Iterator[str]:
    """The bytes kept for a batch are those that its decisions publish, in their order."""
    received: dict[int, list[tuple[int, Bytes]]] = defaultdict(list)
    for decision in found.decisions:
        received[decision.lane_id] += [(decision.sequence, output) for output in decision.outputs]
    kept: Counter[Bytes] = Counter()
    for batch in found.history.publications:
        numbers = range(batch.first_sequence, batch.last_sequence + 1)
        outputs = [found.bytes_of(message) for message in batch.messages]
        kept.update(outputs)
        if outputs != [output for number, output in received[batch.lane_id] if number in numbers]:
            yield f"lane {batch.lane_id} kept for {numbers} other bytes than were decided"
    decided = {output for outputs in received.values() for _, output in outputs}
    yield from (f"{named(output)} was decided and not kept" for output in decided - kept.keys())


def every_output_is_visible_once(found: Evidence) -> Iterator[str]:
    """Each message of each decision whose number stands beside a committed offset, and of no other."""
    visible = Counter(bytes_of(seen) for seen in found.history.visible)
    partitions = {lane.lane_id: lane.partition for lane in found.history.lanes}
    last = found.history.samples[-1]
    for decision in found.decisions:
        lane = partitions.get(decision.lane_id)
        published = lane is not None and decision.sequence <= min(found.published(last, lane))
        for output in decision.outputs:
            if visible[output] != published:
                yield f"{named(output)}, decision {decision[:2]}, is visible {visible[output]} times"


def nothing_else_is_visible(found: Evidence) -> Iterator[str]:
    """Whatever a consumer sees is kept in the database, to the byte; and its id is like no other's."""
    kept = set(map(found.bytes_of, found.kept))
    names = {named(message) for message in kept}
    for seen in found.history.visible:
        if bytes_of(seen) not in kept:
            how = "with other bytes" if named(bytes_of(seen)) in names else "and was never decided"
            yield f"{named(bytes_of(seen))} is visible {how}"
    ids = Counter(named(bytes_of(seen)) for seen in found.history.visible)
    yield from (f"{name} is visible {times} times" for name, times in ids.items() if times > 1)


def outputs_are_in_the_order_of_decisions(found: Evidence) -> Iterator[str]:
    """In each partition of a topic, what a lane decided lies in its order; a customer's lies in one partition."""
    seats: dict[tuple[int, str, int], list[tuple[int, Bytes]]] = defaultdict(list)
    places: dict[tuple[int, str, bytes | None], set[int]] = defaultdict(set)
    for lane_id, output, (topic, partition, offset) in _seen_in_order(found):
        seats[lane_id, topic, partition].append((offset, output))
        places[lane_id, topic, output[1]].add(partition)
    for (one, first), (other, second) in (pair for many in seats.values() for pair in pairwise(many)):
        if one > other:
            yield f"{named(first)} was decided before {named(second)}, and lies behind it"
    for (_, topic, key), partitions in places.items():
        if len(partitions) > 1:
            yield f"customer {key!r} is in partitions {sorted(partitions)} of {topic}"


def _seen_in_order(found: Evidence) -> Iterator[tuple[int, Bytes, Spot]]:
    """The outputs that are visible, in the order of the decisions of their lane."""
    for decision in found.decisions:
        for output in decision.outputs:
            spot = found.visible_at.get(output)
            if spot is not None:
                yield decision.lane_id, output, spot


def attempts_that_failed_said_the_same(found: Evidence) -> Iterator[str]:
    """read_uncommitted shows all that read_committed does, and besides only what the database keeps."""
    kept = set(map(found.bytes_of, found.kept))
    present = {spot_of(seen): bytes_of(seen) for seen in found.history.present}
    for seen in found.history.visible:
        if present.get(spot_of(seen)) != bytes_of(seen):
            yield f"{named(bytes_of(seen))} is visible at {spot_of(seen)} only to read_committed"
    for spot, message in present.items():
        if message not in kept:
            yield f"{named(message)} was sent to {spot}, and was never decided"


def every_request_has_one_answer(found: Evidence) -> Iterator[str]:
    """However often it was told: one rejection, or one `UserUnenrolled` that it caused itself."""
    received = receive(found.history.visible)
    ids = Counter(received.ids)
    asked: set[tuple[int, str, str]] = set()
    for row in found.history.ledger:
        request = _request(found, row)
        if request is None:
            continue
        key = (request.customer_id, request.key.source, request.key.id)
        asked.add(key)
        rejected, farewells = received.rejected.get(key, []), ids[_farewell(request)]
        left = row.outcome is Outcome.UNENROLLED
        if (rejected, farewells > 0) != ([] if left else [row.outcome], left) or farewells > 1:
            yield f"request {key} is {row.outcome}; it was rejected {rejected} and answered {farewells} times"
    yield from (f"nobody asked for {key}, which was rejected" for key in received.rejected.keys() - asked)


def _request(found: Evidence, row: LedgerRow) -> UnenrollRequested | None:
    reading = found.readings.get(found.spot(row))
    event = reading.event if isinstance(reading, ReceivedEvent) else None
    return event if isinstance(event, UnenrollRequested) else None


def _farewell(request: UnenrollRequested) -> str:
    """The id of the `UserUnenrolled` that answers a request at once."""
    cause = (request.key.source, request.key.id)
    account = (request.customer_id, request.target_id)
    return named_uuid(*account, *cause, full_type("UserUnenrolled"), *cause)
