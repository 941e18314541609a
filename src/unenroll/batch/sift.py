"""Records of customers who were erased on request are let go, as far as they tell of what was before."""

from collections.abc import Sequence
from datetime import UTC, datetime

from unenroll.batch.fold import Said, Seen
from unenroll.batch.readings import Reading
from unenroll.store.connect import Connection
from unenroll.store.erased import Until, erased_among, is_before
from unenroll.wire.concerned import customers_of, received_happened, told_time
from unenroll.wire.decode import Received

_NEVER = datetime.min.replace(tzinfo=UTC)


async def sift(connection: Connection, readings: Sequence[Reading]) -> list[Said]:
    """What the records say, or that they are let go. Nobody is erased from now on until the transaction ends."""
    until = await erased_among(connection, named(readings))
    if not until:
        return [reading.content for reading in readings]
    return [Seen.ERASED if is_erased(reading, until) else reading.content for reading in readings]


def named(readings: Sequence[Reading]) -> set[int]:
    """All customers that the records are about."""
    return {customer_id for reading in readings for customer_id in _customers(reading)}


def is_erased(reading: Reading, until: Until) -> bool:
    """Whether the record tells of a customer who was erased later. What cannot be read has to say that it is new."""
    content = reading.content
    if isinstance(content, Received):
        return is_before(until, content.event.customer_id, received_happened(content))
    concerned = _customers(reading) & until.keys()
    if not concerned:
        return False
    time = told_time(reading.record) or _NEVER
    return any(is_before(until, customer_id, time) for customer_id in concerned)


def _customers(reading: Reading) -> frozenset[int]:
    content = reading.content
    if isinstance(content, Received):
        return frozenset((content.event.customer_id,))
    return customers_of(reading.record)
