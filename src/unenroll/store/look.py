"""What is known of a customer, looked at without holding up anybody."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from unenroll.core.definitions import Group
from unenroll.store.accounts import AccountKey, KnownAccount, read_accounts, see_accounts
from unenroll.store.connect import Connection, one_moment
from unenroll.store.history import FactId, Sent, facts_seen, sent
from unenroll.store.queries import QUERIES
from unenroll.wire.stored import load_group


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """An account, the group that owns its target, and when its facts were first read, as of one moment."""

    account: KnownAccount
    group: Group
    seen: Mapping[FactId, datetime]


@dataclass(frozen=True, kw_only=True, slots=True)
class Customer:
    """A customer's accounts in the order of their targets, and what was published of the customer, in order."""

    accounts: tuple[Known, ...]
    sent: tuple[Sent, ...]


async def look(pool: asyncpg.Pool, customer_id: int) -> Customer:
    """What is known of the customer. Locks and changes nothing. Raises OutageError."""
    async with one_moment(pool) as connection:
        accounts = await _known(connection, await read_accounts(connection, customer_id))
        return Customer(accounts=accounts, sent=tuple([message async for message in sent(connection, [customer_id])]))


async def look_at(pool: asyncpg.Pool, key: AccountKey) -> Known | None:
    """What is known of one account, or None. Locks and changes nothing. Raises OutageError."""
    async with one_moment(pool) as connection:
        return next(iter(await _known(connection, await see_accounts(connection, [key]))), None)


async def _known(connection: Connection, accounts: Mapping[AccountKey, KnownAccount]) -> tuple[Known, ...]:
    owners = await owners_of(connection, [key.target_id for key in accounts])
    return tuple(
        Known(account=account, group=owners[key.target_id], seen=facts_seen(account))
        for key, account in accounts.items()
    )


async def owners_of(connection: Connection, target_ids: Collection[int]) -> Mapping[int, Group]:
    """The group that owns each of the targets."""
    owners = await connection.fetch(QUERIES["target_owners"], target_ids)
    definitions = await connection.fetch(QUERIES["group_definitions"], [row["group_id"] for row in owners])
    groups = {row["group_id"]: load_group(row["definition"]) for row in definitions}
    return {row["target_id"]: groups[row["group_id"]] for row in owners}
