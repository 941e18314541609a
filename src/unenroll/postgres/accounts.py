"""Read, lock and write accounts, for a whole batch in a fixed number of statements."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from msgspec import Struct

from unenroll.cooperative import map_in_slices
from unenroll.core.decide import AccountState, Decision
from unenroll.core.events import AccountKey
from unenroll.core.facts import Account
from unenroll.core.settle import Settlement, awaits_cycles
from unenroll.postgres.account_codec import NOTHING_SEEN, FirstSeen, dump_account, load_account
from unenroll.postgres.pool import Connection
from unenroll.postgres.queries import QUERIES

_LARGE_ACCOUNT_FACTS = 100
_SMALL_ACCOUNT_BYTES = 16 * 1024
MAX_READ_BYTES = 8 * 1024 * 1024
"""The size of the accounts that `lock_accounts` reads at once. Decoded, they take about ten times as much memory."""

_COLUMNS = ("customer_id", "target_id", "decisions", "waits", "facts")


class KnownAccount(Struct, frozen=True, kw_only=True, gc=False):
    """An account with the number of decisions on it, and whether it waits for appended cycles.

    `first_seen` says when its facts were first received. Facts that it lacks are new in this batch. `settlement` is
    that of the last decision in this batch; None before it, and for small accounts, which are soon settled in full.
    """

    state: AccountState
    decisions: int = 0
    waits: bool = False
    first_seen: FirstSeen = NOTHING_SEEN
    settlement: Settlement | None = None

    @property
    def key(self) -> AccountKey:
        """The customer and the target of the account."""
        return AccountKey(self.state.account.customer_id, self.state.account.target_id)

    def after(self, decision: Decision, *, decisions: int) -> "KnownAccount":
        """Return the account after this decision. `decisions` is the new number of decisions on it."""
        return KnownAccount(
            state=decision.state,
            decisions=decisions,
            waits=awaits_cycles(decision.settlement),
            first_seen=self.first_seen,
            settlement=decision.settlement if decision.state.account.size > _LARGE_ACCOUNT_FACTS else None,
        )


def new_account(key: AccountKey) -> KnownAccount:
    """Return an account without facts."""
    return KnownAccount(state=AccountState(account=Account(customer_id=key.customer_id, target_id=key.target_id)))


class LockedAccounts(NamedTuple):
    """Those of the accounts that exist, and the keys of those that were not read, because all are too large at once."""

    accounts: dict[AccountKey, KnownAccount]
    unread: frozenset[AccountKey]


async def lock_accounts(connection: Connection, keys: Iterable[AccountKey]) -> LockedAccounts:
    """Lock the accounts until the transaction ends, and read them up to 8 MiB: the first one always, then in order."""
    ordered = list(dict.fromkeys(keys))
    if not ordered:
        return LockedAccounts({}, frozenset())
    locked = await connection.fetch(QUERIES["lock_accounts"], *_key_columns(sorted(ordered)), _SMALL_ACCOUNT_BYTES)
    rows = {AccountKey(row[0], row[1]): row for row in locked}
    readable = _within_limit({key: rows[key][-1] for key in ordered if key in rows})
    accounts = await _load(rows[key][:-1] for key in readable if rows[key][-1] <= _SMALL_ACCOUNT_BYTES)
    if large := [key for key in readable if rows[key][-1] > _SMALL_ACCOUNT_BYTES]:
        accounts |= await read_accounts(connection, large)
    return LockedAccounts(accounts, frozenset(rows.keys() - accounts.keys()))


def _within_limit(sizes: Mapping[AccountKey, int]) -> list[AccountKey]:
    """Return the first of these keys, as many as may be read at once, at least one."""
    readable: list[AccountKey] = []
    total = 0
    for key, size in sizes.items():
        total += size
        if readable and total > MAX_READ_BYTES:
            break
        readable.append(key)
    return readable


async def read_accounts(connection: Connection, keys: Collection[AccountKey]) -> dict[AccountKey, KnownAccount]:
    """Return those of the accounts that exist, without a lock."""
    return await _load(await connection.fetch(QUERIES["read_accounts"], *_key_columns(keys)))


async def read_customer_accounts(connection: Connection, customer_id: int) -> dict[AccountKey, KnownAccount]:
    """Return all accounts of the customer by target id, without a lock."""
    return await _load(await connection.fetch(QUERIES["customer_accounts"], customer_id))


class AccountChanges(NamedTuple):
    """Changed accounts: those that exist in the table, and those that are new."""

    existing: Sequence[KnownAccount]
    new: Sequence[KnownAccount]


def changed_accounts(
    before: Mapping[AccountKey, KnownAccount], after: Mapping[AccountKey, KnownAccount]
) -> AccountChanges:
    """Return the accounts that differ from `before`, in the order of their keys."""
    changed = [(key, account) for key, account in sorted(after.items()) if before.get(key) is not account]
    return AccountChanges(
        existing=[account for key, account in changed if key in before],
        new=[account for key, account in changed if key not in before],
    )


async def save_accounts(connection: Connection, changes: AccountChanges, *, now: datetime) -> None:
    """Write the accounts. Raises asyncpg's UniqueViolationError if another transaction has inserted a new one."""
    row = partial(_row, now=now)
    if changes.existing:
        columns = zip(*await map_in_slices(row, changes.existing), strict=True)
        await connection.execute(QUERIES["update_accounts"], *(list(column) for column in columns))
    if changes.new:
        records = await map_in_slices(row, changes.new)
        await connection.copy_records_to_table("accounts", records=records, columns=_COLUMNS)


def _row(account: KnownAccount, *, now: datetime) -> tuple[object, ...]:
    text = dump_account(account.state, account.first_seen, now=now)
    return *account.key, account.decisions, account.waits, text


def _key_columns(keys: Collection[AccountKey]) -> tuple[list[int], list[int]]:
    return [key.customer_id for key in keys], [key.target_id for key in keys]


async def _load(rows: Iterable[Any]) -> dict[AccountKey, KnownAccount]:
    return {account.key: account for account in await map_in_slices(_load_one, rows)}


def _load_one(row: Iterable[Any]) -> KnownAccount:
    customer_id, target_id, decisions, waiting, facts = row
    state, first_seen = load_account(facts, customer_id=customer_id, target_id=target_id)
    return KnownAccount(state=state, decisions=decisions, waits=waiting, first_seen=first_seen)
