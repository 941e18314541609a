"""What is known of a customer, looked at without holding up anybody."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import asyncpg

from unenroll.core.definitions import Group
from unenroll.store.accounts import KnownAccount, read_accounts
from unenroll.store.connect import Connection
from unenroll.store.outage import translated
from unenroll.store.queries import QUERIES
from unenroll.wire.stored import load_group


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """An account, and the group that owns its target, both as of one moment."""

    account: KnownAccount
    group: Group


async def look(pool: asyncpg.Pool, customer_id: int) -> tuple[Known, ...]:
    """The customer's accounts in the order of their targets. Locks and changes nothing. Raises OutageError."""
    with translated():
        async with (
            pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            accounts = await read_accounts(connection, customer_id)
            owners = await _owners(connection, [key.target_id for key in accounts])
            return tuple(Known(account=account, group=owners[key.target_id]) for key, account in accounts.items())


async def _owners(connection: Connection, target_ids: Collection[int]) -> Mapping[int, Group]:
    """The group that owns each of the targets."""
    owners = await connection.fetch(QUERIES["target_owners"], target_ids)
    definitions = await connection.fetch(QUERIES["group_definitions"], [row["group_id"] for row in owners])
    groups = {row["group_id"]: load_group(row["definition"]) for row in definitions}
    return {row["target_id"]: groups[row["group_id"]] for row in owners}
