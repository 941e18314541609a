"""What is known of a customer, looked at without holding up anybody."""

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import chain
from typing import NamedTuple

import asyncpg

from unenroll.core.definitions import TargetGroup
from unenroll.core.events import AccountKey
from unenroll.postgres.accounts import KnownAccount, read_accounts, see_accounts
from unenroll.postgres.definitions import load_group
from unenroll.postgres.outbox import unpack
from unenroll.postgres.pool import Connection, snapshot
from unenroll.postgres.queries import QUERIES
from unenroll.wire.topics import Message, Topic

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


class SentMessage(NamedTuple):
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


async def sent(connection: Connection, customer_ids: Collection[int]) -> AsyncIterator[SentMessage]:
    """What the lanes have decided to publish of the customers, dead letters aside, in the order of the decisions.

    Only the batches that decided an event of theirs are looked into, a few at a time.
    """
    keys = {b"%d" % customer_id for customer_id in customer_ids}
    query = QUERIES["customer_publications"]
    async for row in connection.cursor(query, list(customer_ids), prefetch=_BATCHES_AT_ONCE):
        for message in unpack(row["outputs"]):
            if message.key in keys and message.topic in DECISIONS:
                yield SentMessage(row["decided_at"], message)


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownHistory:
    """An account, the group that owns its target, and when its facts were first read, as of one moment."""

    account: KnownAccount
    group: TargetGroup
    seen: Mapping[FactId, datetime]


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomerHistory:
    """A customer's accounts in the order of their targets, and what was published of the customer, in order."""

    accounts: tuple[KnownHistory, ...]
    sent: tuple[SentMessage, ...]


async def customer_history(pool: asyncpg.Pool, customer_id: int) -> CustomerHistory:
    """What is known of the customer. Locks and changes nothing. Raises OutageError."""
    async with snapshot(pool) as connection:
        accounts = await _known(connection, await read_accounts(connection, customer_id))
        return CustomerHistory(
            accounts=accounts, sent=tuple([message async for message in sent(connection, [customer_id])])
        )


async def account_history(pool: asyncpg.Pool, key: AccountKey) -> KnownHistory | None:
    """What is known of one account, or None. Locks and changes nothing. Raises OutageError."""
    async with snapshot(pool) as connection:
        return next(iter(await _known(connection, await see_accounts(connection, [key]))), None)


async def _known(connection: Connection, accounts: Mapping[AccountKey, KnownAccount]) -> tuple[KnownHistory, ...]:
    owners = await owners_of(connection, [key.target_id for key in accounts])
    return tuple(
        KnownHistory(account=account, group=owners[key.target_id], seen=facts_seen(account))
        for key, account in accounts.items()
    )


async def owners_of(connection: Connection, target_ids: Collection[int]) -> Mapping[int, TargetGroup]:
    """The group that owns each of the targets."""
    owners = await connection.fetch(QUERIES["target_owners"], target_ids)
    definitions = await connection.fetch(QUERIES["group_definitions"], [row["group_id"] for row in owners])
    groups = {row["group_id"]: load_group(row["definition"]) for row in definitions}
    return {row["target_id"]: groups[row["group_id"]] for row in owners}
