"""Which lane a customer's records belong to: as Kafka's own clients partition by key."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection

import asyncpg
from aiokafka.partitioner import murmur2

from unenroll.store.copying import AT_ONCE
from unenroll.store.outage import translated
from unenroll.store.queries import QUERIES

_FIRST = -(2**63)
_LOOK_AT = 20_000


def lane_of(customer_id: int, partitions: int) -> int:
    """The partition of a record whose key is the customer's number in digits."""
    return int((murmur2(b"%d" % customer_id) & 0x7FFFFFFF) % partitions)


async def customers_of(
    pool: asyncpg.Pool, lanes: Collection[int], partitions: int
) -> AsyncIterator[tuple[int, list[int]]]:
    """All customers that belong to the lanes, with their lane, some of one lane at a time. Raises OutageError."""
    held: dict[int, list[int]] = defaultdict(list)
    begin = _FIRST
    while True:
        with translated():
            rows = await pool.fetch(QUERIES["next_customers"], begin, _LOOK_AT)
        for row in rows:
            number = lane_of(row["customer_id"], partitions)
            if number in lanes:
                held[number].append(row["customer_id"])
            if len(held[number]) >= AT_ONCE:
                yield number, held.pop(number)
        if len(rows) < _LOOK_AT:
            break
        begin = rows[-1]["customer_id"] + 1
    for number, customers in held.items():
        if customers:
            yield number, customers
