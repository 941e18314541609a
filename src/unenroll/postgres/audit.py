"""Everything that was decided, looked over in pages of customers: nothing is locked, and memory stays bounded."""

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
from unenroll.postgres.history import owners_of, sent
from unenroll.postgres.pool import Connection, snapshot
from unenroll.postgres.queries import QUERIES
from unenroll.wire.fields import LARGEST_INT64, SMALLEST_INT64
from unenroll.wire.topics import Message

CUSTOMERS_AT_ONCE = 500


class LedgerReceipt(NamedTuple):
    """What the ledger has of an event. `decision` None: it left no fact."""

    event_key: UUID
    event_type: str
    content_version: int
    content_hash: bytes
    outcome: str | None
    decision: int | None


@dataclass(kw_only=True, slots=True)
class AuditedAccount:
    """What is kept of an account, as of one moment.

    `account` is None where there is none, or where `unreadable` says why its text cannot be read. `owner` None:
    nobody defines its target. `sent` None: it was not looked up.
    """

    key: AccountKey
    account: KnownAccount | None = None
    unreadable: str | None = None
    owner: TargetGroup | None = None
    receipts: list[LedgerReceipt] = field(default_factory=list)
    sent: Sequence[Message] | None = None

    @property
    def decided(self) -> bool:
        """Whether there is or was an account."""
        read = self.account is not None or self.unreadable is not None
        return read or any(receipt.decision is not None for receipt in self.receipts)


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditScope:
    """Which accounts: of these customers and targets, or of all. `published`: with what was published of them."""

    customers: Collection[int] = ()
    targets: Collection[int] = ()
    published: bool = False


async def about(pool: asyncpg.Pool) -> int | None:
    """About how many accounts there are, None if Postgres has not counted them. Raises OutageError and SetupError."""
    with postgres_errors():
        return await pool.fetchval(QUERIES["accounts_about"]) or None


async def oldest_publication(pool: asyncpg.Pool) -> datetime | None:
    """When the oldest of the bytes that are kept were decided. Raises OutageError and SetupError."""
    with postgres_errors():
        found: datetime | None = await pool.fetchval(QUERIES["oldest_publication"])
    return found


async def audit(pool: asyncpg.Pool, scope: AuditScope) -> AsyncIterator[list[AuditedAccount]]:
    """The accounts, page after page, each page as of a moment of its own. Raises OutageError and SetupError."""
    async for customers in _pages(pool, scope):
        yield await _page(pool, customers, scope)


async def _pages(pool: asyncpg.Pool, scope: AuditScope) -> AsyncIterator[list[int]]:
    if scope.customers:
        wanted = sorted(scope.customers)
        for begin in range(0, len(wanted), CUSTOMERS_AT_ONCE):
            yield wanted[begin : begin + CUSTOMERS_AT_ONCE]
        return
    first = SMALLEST_INT64
    while True:
        with postgres_errors():
            rows = await pool.fetch(QUERIES["next_customers"], first, CUSTOMERS_AT_ONCE)
        if not rows:
            return
        last: int = rows[-1]["customer_id"]
        yield [row["customer_id"] for row in rows]
        if last == LARGEST_INT64:
            return
        first = last + 1


async def _page(pool: asyncpg.Pool, customers: Sequence[int], scope: AuditScope) -> list[AuditedAccount]:
    async with snapshot(pool) as connection:
        found = await _kept(connection, customers)
        chosen = [one for key, one in sorted(found.items()) if not scope.targets or key.target_id in scope.targets]
        owners = await owners_of(connection, sorted({one.key.target_id for one in chosen}))
        published = await _published(connection, customers) if scope.published else {}
    for one in chosen:
        one.owner = owners.get(one.key.target_id)
        one.sent = published.get(b"%d" % one.key.customer_id, ()) if scope.published else None
    return chosen


async def _kept(connection: Connection, customers: Sequence[int]) -> dict[AccountKey, AuditedAccount]:
    found: dict[AccountKey, AuditedAccount] = {}
    for customer_id, target_id, decisions, waits, facts in await connection.fetch(QUERIES["accounts_of"], customers):
        key = AccountKey(customer_id, target_id)
        one = found[key] = AuditedAccount(key=key)
        try:
            state, seen = load_account(facts, customer_id=customer_id, target_id=target_id)
        except UNREADABLE as error:
            one.unreadable = str(error)
        else:
            one.account = KnownAccount(state=state, decisions=decisions, waits=waits, seen=seen)
    for customer_id, target_id, *receipt in await connection.fetch(QUERIES["receipts_of"], customers):
        key = AccountKey(customer_id, target_id)
        found.setdefault(key, AuditedAccount(key=key)).receipts.append(LedgerReceipt._make(receipt))
    return found


async def _published(connection: Connection, customers: Sequence[int]) -> dict[bytes | None, list[Message]]:
    by_customer: dict[bytes | None, list[Message]] = {}
    async for one in sent(connection, customers):
        by_customer.setdefault(one.message.key, []).append(one.message)
    return by_customer
