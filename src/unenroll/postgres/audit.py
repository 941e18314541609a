"""Read all accounts and their decisions, in pages of customers, without locks and with bounded memory."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from unenroll.core.definitions import TargetGroup
from unenroll.core.events import AccountKey
from unenroll.postgres.account_codec import UNREADABLE, load_account
from unenroll.postgres.accounts import KnownAccount
from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.history import published_messages, target_owners
from unenroll.postgres.pool import Connection, snapshot
from unenroll.postgres.queries import QUERIES
from unenroll.wire.fields import LARGEST_INT64, SMALLEST_INT64
from unenroll.wire.topics import Message

CUSTOMERS_PER_PAGE = 500
PAGE_BYTES = 4 * 2**20
"""The maximum bytes of facts in a page, so that a page is read in time. A single customer may have more."""


class LedgerReceipt(NamedTuple):
    """The ledger's row of an event. `decision` is None if the event left no fact."""

    event_key: UUID
    event_type: str
    content_version: int
    content_hash: bytes
    outcome: str | None
    decision: int | None


@dataclass(kw_only=True, slots=True)
class AuditedAccount:
    """An account with its rows of the ledger and its published messages, as of one moment.

    `account` is None if it does not exist, or if its text is not readable; `unreadable` says why. `owner` is None if
    no group defines the target. `published` is None if the scope excludes published messages.
    """

    key: AccountKey
    account: KnownAccount | None = None
    unreadable: str | None = None
    owner: TargetGroup | None = None
    receipts: list[LedgerReceipt] = field(default_factory=list)
    published: Sequence[Message] | None = None

    @property
    def decided(self) -> bool:
        """Whether the account exists or existed."""
        exists = self.account is not None or self.unreadable is not None
        return exists or any(receipt.decision is not None for receipt in self.receipts)


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditScope:
    """Which accounts to read: those of these customers and targets; empty means all.

    With `published`, read the published messages about them too.
    """

    customers: Collection[int] = ()
    targets: Collection[int] = ()
    published: bool = False


async def estimate_accounts(pool: asyncpg.Pool) -> int | None:
    """Return the estimated number of accounts, or None without statistics. Raises OutageError and SetupError."""
    with postgres_errors():
        return await pool.fetchval(QUERIES["estimate_accounts"]) or None


async def oldest_publication(pool: asyncpg.Pool) -> datetime | None:
    """Return the time of the oldest decision in the outbox, or None. Raises OutageError and SetupError."""
    with postgres_errors():
        found: datetime | None = await pool.fetchval(QUERIES["oldest_publication"])
    return found


async def audit(pool: asyncpg.Pool, scope: AuditScope) -> AsyncIterator[list[AuditedAccount]]:
    """Yield the accounts in pages, each as of a moment of its own. Raises OutageError and SetupError."""
    async for customers in _pages(pool, scope):
        for part in await _parts(pool, customers):
            yield await _page(pool, part, scope)


async def _pages(pool: asyncpg.Pool, scope: AuditScope) -> AsyncIterator[list[int]]:
    if scope.customers:
        customers = sorted(scope.customers)
        for begin in range(0, len(customers), CUSTOMERS_PER_PAGE):
            yield customers[begin : begin + CUSTOMERS_PER_PAGE]
        return
    first = SMALLEST_INT64
    while True:
        with postgres_errors():
            rows = await pool.fetch(QUERIES["next_customers"], first, CUSTOMERS_PER_PAGE)
        if not rows:
            return
        last: int = rows[-1]["customer_id"]
        yield [row["customer_id"] for row in rows]
        if last == LARGEST_INT64:
            return
        first = last + 1


async def _parts(pool: asyncpg.Pool, customers: Sequence[int]) -> list[list[int]]:
    """Return the customers in parts with at most `PAGE_BYTES` of facts each."""
    with postgres_errors():
        sizes = {row["customer_id"]: row["bytes"] for row in await pool.fetch(QUERIES["facts_sizes"], customers)}
    parts: list[list[int]] = [[]]
    size = 0
    for customer_id in customers:
        size += sizes.get(customer_id, 0)
        if parts[-1] and size > PAGE_BYTES:
            parts.append([])
            size = sizes.get(customer_id, 0)
        parts[-1].append(customer_id)
    return parts


async def _page(pool: asyncpg.Pool, customers: Sequence[int], scope: AuditScope) -> list[AuditedAccount]:
    async with snapshot(pool) as connection:
        accounts = await _accounts(connection, customers)
        chosen = [one for key, one in sorted(accounts.items()) if not scope.targets or key.target_id in scope.targets]
        owners = await target_owners(connection, sorted({one.key.target_id for one in chosen}))
        published = await _published(connection, customers) if scope.published else {}
    for one in chosen:
        one.owner = owners.get(one.key.target_id)
        one.published = published.get(b"%d" % one.key.customer_id, ()) if scope.published else None
    return chosen


async def _accounts(connection: Connection, customers: Sequence[int]) -> dict[AccountKey, AuditedAccount]:
    accounts: dict[AccountKey, AuditedAccount] = {}
    for customer_id, target_id, decisions, waits, facts in await connection.fetch(
        QUERIES["accounts_of_customers"], customers
    ):
        key = AccountKey(customer_id, target_id)
        one = accounts[key] = AuditedAccount(key=key)
        try:
            state, first_seen = load_account(facts, customer_id=customer_id, target_id=target_id)
        except UNREADABLE as error:
            one.unreadable = str(error)
        else:
            one.account = KnownAccount(state=state, decisions=decisions, waits=waits, first_seen=first_seen)
    for customer_id, target_id, *receipt in await connection.fetch(QUERIES["receipts_of"], customers):
        key = AccountKey(customer_id, target_id)
        accounts.setdefault(key, AuditedAccount(key=key)).receipts.append(LedgerReceipt._make(receipt))
    return accounts


async def _published(connection: Connection, customers: Sequence[int]) -> dict[bytes | None, list[Message]]:
    by_customer: dict[bytes | None, list[Message]] = {}
    async for one in published_messages(connection, customers):
        by_customer.setdefault(one.message.key, []).append(one.message)
    return by_customer
