"""Accounts as they are known: locked and read for a whole batch, in a fixed number of statements."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import asyncpg

from unenroll.core.changes import Settled, SettledLeave, SettledReward
from unenroll.core.decide import AccountState
from unenroll.core.events import Allocation, EventId, Origin, Value
from unenroll.core.facts import Account, Enrollment, Leave, Reward
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import Action, Rule, State
from unenroll.store.connect import Connection
from unenroll.store.queries import QUERIES


class AccountKey(NamedTuple):
    """One customer in one target."""

    customer_id: int
    target_id: int


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownAccount:
    """An account, how many decisions were made on it, and whether it waits for cycles to be appended."""

    state: AccountState
    decisions: int
    waits: bool


class _Counters(NamedTuple):
    decisions: int
    revision: int
    waits: bool


_Rows = dict[AccountKey, list[asyncpg.Record]]


async def lock_accounts(connection: Connection, keys: Iterable[AccountKey]) -> dict[AccountKey, KnownAccount]:
    """Those of the accounts that exist, locked until the transaction ends."""
    counters = await _lock(connection, keys)
    return await _read(connection, counters)


async def make_accounts(connection: Connection, keys: Iterable[AccountKey]) -> dict[AccountKey, KnownAccount]:
    """Accounts that did not exist a moment ago, made or taken over from the lane that was faster, and locked."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    await connection.execute(QUERIES["new_accounts"], *_columns(wanted))
    return await lock_accounts(connection, wanted)


async def read_accounts(connection: Connection, customer_id: int) -> dict[AccountKey, KnownAccount]:
    """All accounts of the customer as they are now, not locked, in the order of their targets."""
    return await _read(connection, _counters(await connection.fetch(QUERIES["customer_accounts"], customer_id)))


async def _lock(connection: Connection, keys: Iterable[AccountKey]) -> dict[AccountKey, _Counters]:
    return _counters(await connection.fetch(QUERIES["lock_accounts"], *_columns(sorted(set(keys)))))


def _counters(rows: Iterable[asyncpg.Record]) -> dict[AccountKey, _Counters]:
    return {
        AccountKey(row["customer_id"], row["target_id"]): _Counters(row["decisions"], row["revision"], row["waits"])
        for row in rows
    }


async def _read(connection: Connection, counters: dict[AccountKey, _Counters]) -> dict[AccountKey, KnownAccount]:
    if not counters:
        return {}
    columns = _columns(counters)
    enrollments = _by_account(await connection.fetch(QUERIES["account_enrollments"], *columns))
    leaves = _by_account(await connection.fetch(QUERIES["account_leaves"], *columns))
    rewards = _by_account(await connection.fetch(QUERIES["account_rewards"], *columns))
    issuances = _by_account(await connection.fetch(QUERIES["account_issuances"], *columns))
    return {
        key: KnownAccount(
            state=AccountState(
                account=Account(
                    customer_id=key.customer_id,
                    target_id=key.target_id,
                    enrollments=tuple(_enrollment(row) for row in enrollments.get(key, ())),
                    leaves=tuple(_leave(row) for row in leaves.get(key, ())),
                    rewards=tuple(_reward(row) for row in rewards.get(key, ())),
                    issued={row["reward_id"]: row["issued_at"] for row in issuances.get(key, ())},
                ),
                settled=Settled(
                    leaves=dict(_settled_leave(row) for row in leaves.get(key, ())),
                    rewards=dict(_settled_reward(row) for row in rewards.get(key, ())),
                    revision=counter.revision,
                ),
            ),
            decisions=counter.decisions,
            waits=counter.waits,
        )
        for key, counter in counters.items()
    }


def _columns(keys: Iterable[AccountKey]) -> tuple[list[int], list[int]]:
    listed = list(keys)
    return [key.customer_id for key in listed], [key.target_id for key in listed]


def _by_account(rows: Iterable[asyncpg.Record]) -> _Rows:
    grouped: _Rows = defaultdict(list)
    for row in rows:
        grouped[AccountKey(row["customer_id"], row["target_id"])].append(row)
    return grouped


def _enrollment(row: asyncpg.Record) -> Enrollment:
    return Enrollment(
        key=EventId(row["id"], row["source"]),
        enrolled_at=row["enrolled_at"],
        from_cycle=row["from_cycle"],
        initial_balance=row["initial_balance"],
        reset_streak_status=row["reset_streak_status"],
        origin=Origin(row["origin"]),
    )


def _leave(row: asyncpg.Record) -> Leave:
    return Leave(
        key=EventId(row["id"], row["source"]),
        effective_at=row["effective_at"],
        reason=row["reason"],
        requested_by=row["requested_by"],
    )


def _settled_leave(row: asyncpg.Record) -> tuple[EventId, SettledLeave]:
    return EventId(row["id"], row["source"]), SettledLeave(
        outcome=Outcome(row["outcome"]), first_dropped=row["first_dropped"]
    )


def _reward(row: asyncpg.Record) -> Reward:
    return Reward(
        reward_id=row["reward_id"],
        cycle=row["cycle"],
        allocation=Allocation(row["allocation"]),
        achieved_at=row["achieved_at"],
        level=row["level"],
        value=None if row["amount"] is None else Value(row["amount"], row["unit"]),
    )


def _settled_reward(row: asyncpg.Record) -> tuple[str, SettledReward]:
    return row["reward_id"], SettledReward(
        state=State(row["state"]),
        rule=Rule(row["rule"]),
        action=None if row["action"] is None else Action(row["action"]),
        revision=row["revision"],
        leave=_event_id(row["leave_id"], row["leave_source"]),
        cancelled_by=_event_id(row["cancelled_id"], row["cancelled_source"]),
    )


def _event_id(identity: str | None, source: str | None) -> EventId | None:
    return None if identity is None or source is None else EventId(identity, source)
