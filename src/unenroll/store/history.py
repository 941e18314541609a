"""When a customer's facts were first read, and what was published of them: looked up, not needed to decide."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from unenroll.store.connect import Connection
from unenroll.store.queries import QUERIES
from unenroll.wire.names import Topic
from unenroll.wire.pack import unpack
from unenroll.wire.record import Message

_BATCHES_AT_ONCE = 4
_DECISIONS = frozenset({Topic.UNENROLLMENTS, Topic.REJECTIONS, Topic.REWARDS})


class FactKind(StrEnum):
    """What a fact is."""

    LEAVE = "LEAVE"
    ENROLLMENT = "ENROLLMENT"
    REWARD = "REWARD"
    ISSUANCE = "ISSUANCE"


class FactId(NamedTuple):
    """Which fact of an account: `id` is an event's, with its `source`, or a `rewardId`."""

    kind: FactKind
    id: str
    source: str | None = None


class Sent(NamedTuple):
    """A message of ours, and when what it says was first decided."""

    decided_at: datetime
    message: Message


async def facts_seen(connection: Connection, customer_id: int) -> Mapping[int, Mapping[FactId, datetime]]:
    """By target: when each fact of the customer was first read."""
    seen: dict[int, dict[FactId, datetime]] = {}
    for row in await connection.fetch(QUERIES["facts_seen"], customer_id):
        fact = FactId(FactKind(row["kind"]), row["id"], row["source"])
        seen.setdefault(row["target_id"], {})[fact] = row["seen_at"]
    return seen


async def sent(connection: Connection, customer_id: int) -> AsyncIterator[Sent]:
    """What the lanes have decided to publish of the customer, dead letters aside, in the order of the decisions.

    Only the batches that decided an event of the customer are looked into, a few at a time.
    """
    key = b"%d" % customer_id
    async for row in connection.cursor(QUERIES["customer_publications"], customer_id, prefetch=_BATCHES_AT_ONCE):
        for message in unpack(row["outputs"]):
            if message.key == key and message.topic in _DECISIONS:
                yield Sent(row["decided_at"], message)
