"""What is known of a customer, looked at without holding up anybody."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from unenroll.core.definitions import Group
from unenroll.store.accounts import KnownAccount, read_accounts
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
        accounts = await read_accounts(connection, customer_id)
        owners = await owners_of(connection, [key.target_id for key in accounts])
        known = (
            Known(account=account, group=owners[key.target_id], seen=facts_seen(account))
            for key, account in accounts.items()
        )
        return Customer(
            accounts=tuple(known), sent=tuple([message async for message in sent(connection, [customer_id])])
        )


async def owners_of(connection: Connection, target_ids: Collection[int]) -> Mapping[int, Group]:
    """The group that owns each of the targets."""
    owners = await connection.fetch(QUERIES["target_owners"], target_ids)
    definitions = await connection.fetch(QUERIES["group_definitions"], [row["group_id"] for row in owners])
    groups = {row["group_id"]: load_group(row["definition"]) for row in definitions}
    return {row["target_id"]: groups[row["group_id"]] for row in owners}
