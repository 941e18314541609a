"""Accounts as they are known: locked and read for a whole batch, and written, in a fixed number of statements."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple

import asyncpg

from unenroll.cooperative import yielding
from unenroll.core.decide import AccountState, Decision
from unenroll.core.events import AccountKey
from unenroll.core.facts import Account
from unenroll.core.settle import waits
from unenroll.postgres.account_codec import NOTHING_SEEN, FirstSeen, dump_account, load_account
from unenroll.postgres.pool import Connection
from unenroll.postgres.queries import QUERIES


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownAccount:
    """An account, how many decisions were made on it, and whether it waits for cycles to be appended.

    `seen` tells when its facts were first read. Facts that it does not reach were read just now.
    """

    state: AccountState
    decisions: int = 0
    waits: bool = False
    seen: FirstSeen = NOTHING_SEEN

    @property
    def key(self) -> AccountKey:
        """Which account it is."""
        return AccountKey(self.state.account.customer_id, self.state.account.target_id)

    def after(self, decided: Decision, *, decisions: int) -> "KnownAccount":
        """What the account becomes by what was decided, which makes so many decisions on it in all."""
        return KnownAccount(state=decided.state, decisions=decisions, waits=waits(decided.settlement), seen=self.seen)


def unknown_accounts(key: AccountKey) -> KnownAccount:
    """An account of which nothing is known."""
    return KnownAccount(state=AccountState(account=Account(customer_id=key.customer_id, target_id=key.target_id)))


async def lock_accounts(connection: Connection, keys: Iterable[AccountKey]) -> dict[AccountKey, KnownAccount]:
    """Those of the accounts that exist, locked until the transaction ends."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = await connection.fetch(
        QUERIES["lock_accounts"], [key.customer_id for key in wanted], [key.target_id for key in wanted]
    )
    return await _known(rows)


async def see_accounts(connection: Connection, keys: Collection[AccountKey]) -> dict[AccountKey, KnownAccount]:
    """Those of the accounts that exist, as they are now, not locked."""
    customers, targets = [key.customer_id for key in keys], [key.target_id for key in keys]
    return await _known(await connection.fetch(QUERIES["see_accounts"], customers, targets))


async def read_accounts(connection: Connection, customer_id: int) -> dict[AccountKey, KnownAccount]:
    """All accounts of the customer as they are now, not locked, in the order of their targets."""
    return await _known(await connection.fetch(QUERIES["customer_accounts"], customer_id))


class AccountChanges(NamedTuple):
    """What became of accounts: of those that were locked, and of those that were not there."""

    known: Sequence[KnownAccount]
    new: Sequence[KnownAccount]


def changed(before: Mapping[AccountKey, KnownAccount], now: Mapping[AccountKey, KnownAccount]) -> AccountChanges:
    """The accounts that are not as they were, in the order of their keys."""
    moved = [(key, account) for key, account in sorted(now.items()) if before.get(key) is not account]
    return AccountChanges(
        known=[account for key, account in moved if key in before],
        new=[account for key, account in moved if key not in before],
    )


async def save_accounts(connection: Connection, changed: AccountChanges, *, now: datetime) -> None:
    """Write the accounts. Raises asyncpg's UniqueViolationError where somebody else made one of them meanwhile."""
    rows = partial(_rows, now=now)
    if changed.known:
        columns = zip(*await yielding(rows, changed.known, at_once=_IN_A_TURN), strict=True)
        await connection.execute(QUERIES["move_accounts"], *(list(column) for column in columns))
    if changed.new:
        records = await yielding(rows, changed.new, at_once=_IN_A_TURN)
        await connection.copy_records_to_table("accounts", records=records, columns=_COLUMNS)


_COLUMNS = ("customer_id", "target_id", "decisions", "waits", "facts")
_IN_A_TURN = 50  # an account may be large


def _rows(accounts: Iterable[KnownAccount], *, now: datetime) -> list[tuple[object, ...]]:
    return [
        (*account.key, account.decisions, account.waits, dump_account(account.state, account.seen, now=now))
        for account in accounts
    ]


async def _known(rows: Sequence[asyncpg.Record]) -> dict[AccountKey, KnownAccount]:
    return {account.key: account for account in await yielding(_read, rows, at_once=_IN_A_TURN)}


def _read(rows: Iterable[asyncpg.Record]) -> Iterator[KnownAccount]:
    for customer_id, target_id, decisions, waiting, facts in rows:
        state, seen = load_account(facts, customer_id=customer_id, target_id=target_id)
        yield KnownAccount(state=state, decisions=decisions, waits=waiting, seen=seen)
