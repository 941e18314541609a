"""Read the accounts and the published messages of a customer, without locks."""

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import chain
from typing import NamedTuple

import asyncpg

from unenroll.core.definitions import TargetGroup
from unenroll.core.events import AccountKey
from unenroll.postgres.accounts import KnownAccount, read_accounts, read_customer_accounts
from unenroll.postgres.definitions import load_group
from unenroll.postgres.outbox import unpack
from unenroll.postgres.pool import Connection, snapshot
from unenroll.postgres.queries import QUERIES
from unenroll.wire.topics import Message, Topic

_BATCHES_AT_ONCE = 4
DECISION_TOPICS = frozenset({Topic.UNENROLLMENTS, Topic.REJECTIONS, Topic.REWARDS})
"""The topics with published decisions: all output topics but that of dead letters."""


class FactKind(StrEnum):
    """The kind of a fact."""

    LEAVE = "LEAVE"
    ENROLLMENT = "ENROLLMENT"
    REWARD = "REWARD"
    ISSUANCE = "ISSUANCE"


class FactId(NamedTuple):
    """Identifies a fact of an account.

    `id` and `source` are those of an event; a reward or issuance has its `rewardId` as `id` and no source.
    """

    kind: FactKind
    id: str
    source: str | None = None


class PublishedMessage(NamedTuple):
    """A message that a lane publishes, and the time of its decision."""

    decided_at: datetime
    message: Message


def _first_seen(known: KnownAccount) -> Mapping[FactId, datetime]:
    account = known.state.account
    enrollments = (FactId(FactKind.ENROLLMENT, *fact.key) for fact in account.enrollments)
    leaves = (FactId(FactKind.LEAVE, *fact.key) for fact in account.leaves)
    rewards = (FactId(FactKind.REWARD, fact.reward_id) for fact in account.rewards)
    issuances = (FactId(FactKind.ISSUANCE, reward_id) for reward_id in account.issuances)
    return dict(zip(chain(enrollments, leaves, rewards, issuances), chain(*known.first_seen), strict=True))


async def published_messages(connection: Connection, customer_ids: Collection[int]) -> AsyncIterator[PublishedMessage]:
    """Yield the messages about the customers, except dead letters, in the order of the decisions.

    It reads only the batches that decided an event of the customers, a few at a time.
    """
    keys = {b"%d" % customer_id for customer_id in customer_ids}
    query = QUERIES["customer_publications"]
    async for row in connection.cursor(query, list(customer_ids), prefetch=_BATCHES_AT_ONCE):
        for message in unpack(row["outputs"]):
            if message.key in keys and message.topic in DECISION_TOPICS:
                yield PublishedMessage(row["decided_at"], message)


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountHistory:
    """An account, the group that owns its target, and when each fact was first received, as of one moment."""

    account: KnownAccount
    group: TargetGroup
    first_seen: Mapping[FactId, datetime]


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomerHistory:
    """The accounts of a customer by target id, and the published messages about the customer in order."""

    accounts: tuple[AccountHistory, ...]
    published: tuple[PublishedMessage, ...]


async def customer_history(pool: asyncpg.Pool, customer_id: int) -> CustomerHistory:
    """Return the accounts and the published messages of the customer. Raises OutageError."""
    async with snapshot(pool) as connection:
        accounts = await _histories(connection, await read_customer_accounts(connection, customer_id))
        return CustomerHistory(
            accounts=accounts,
            published=tuple([message async for message in published_messages(connection, [customer_id])]),
        )


async def account_history(pool: asyncpg.Pool, key: AccountKey) -> AccountHistory | None:
    """Return one account, or None if there is none. Raises OutageError."""
    async with snapshot(pool) as connection:
        return next(iter(await _histories(connection, await read_accounts(connection, [key]))), None)


async def _histories(connection: Connection, accounts: Mapping[AccountKey, KnownAccount]) -> tuple[AccountHistory, ...]:
    owners = await target_owners(connection, [key.target_id for key in accounts])
    return tuple(
        AccountHistory(account=account, group=owners[key.target_id], first_seen=_first_seen(account))
        for key, account in accounts.items()
    )


async def target_owners(connection: Connection, target_ids: Collection[int]) -> Mapping[int, TargetGroup]:
    """Return the group that owns each of the targets."""
    owners = await connection.fetch(QUERIES["target_owners"], target_ids)
    definitions = await connection.fetch(QUERIES["group_definitions"], [row["group_id"] for row in owners])
    groups = {row["group_id"]: load_group(row["definition"]) for row in definitions}
    return {row["target_id"]: groups[row["group_id"]] for row in owners}
