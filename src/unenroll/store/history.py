"""When a customer's facts were first read, and what was published of them: looked up, not needed to decide."""

from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime
from enum import StrEnum
from itertools import chain
from typing import NamedTuple

from unenroll.store.accounts import KnownAccount
from unenroll.store.connect import Connection
from unenroll.store.queries import QUERIES
from unenroll.wire.names import Topic
from unenroll.wire.pack import unpack
from unenroll.wire.record import Message

_BATCHES_AT_ONCE = 4
DECISIONS = frozenset({Topic.UNENROLLMENTS, Topic.REJECTIONS, Topic.REWARDS})
"""The topics of what was decided: dead letters are not."""


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


def facts_seen(known: KnownAccount) -> Mapping[FactId, datetime]:
    """When each fact of the account was first read."""
    account, seen = known.state.account, known.seen
    enrollments = (FactId(FactKind.ENROLLMENT, *fact.key) for fact in account.enrollments)
    leaves = (FactId(FactKind.LEAVE, *fact.key) for fact in account.leaves)
    rewards = (FactId(FactKind.REWARD, fact.reward_id) for fact in account.rewards)
    issuances = (FactId(FactKind.ISSUANCE, reward_id) for reward_id in account.issued)
    return dict(zip(chain(enrollments, leaves, rewards, issuances), chain(*seen), strict=True))


async def sent(connection: Connection, customer_ids: Collection[int]) -> AsyncIterator[Sent]:
    """What the lanes have decided to publish of the customers, dead letters aside, in the order of the decisions.

    Only the batches that decided an event of theirs are looked into, a few at a time.
    """
    keys = {b"%d" % customer_id for customer_id in customer_ids}
    query = QUERIES["customer_publications"]
    async for row in connection.cursor(query, list(customer_ids), prefetch=_BATCHES_AT_ONCE):
        for message in unpack(row["outputs"]):
            if message.key in keys and message.topic in DECISIONS:
                yield Sent(row["decided_at"], message)
