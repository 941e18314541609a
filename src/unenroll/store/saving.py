"""What a batch changed of its accounts, written in a number of statements that does not depend on the batch."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from unenroll.core.changes import Settled
from unenroll.core.decide import AccountState
from unenroll.core.events import EventId
from unenroll.core.facts import Account
from unenroll.store.accounts import AccountKey, KnownAccount
from unenroll.store.connect import Connection
from unenroll.store.queries import QUERIES

Row = tuple[object, ...]

_ENROLLMENTS = (
    *("customer_id", "target_id", "id", "source", "enrolled_at", "from_cycle", "initial_balance"),
    *("reset_streak_status", "origin", "seen_at"),
)
_LEAVES = (
    *("customer_id", "target_id", "id", "source", "effective_at", "reason", "requested_by"),
    *("outcome", "first_dropped", "seen_at"),
)
_REWARDS = (
    *("customer_id", "target_id", "reward_id", "cycle", "allocation", "achieved_at", "level", "amount", "unit"),
    *("state", "rule", "action", "revision", "leave_id", "leave_source", "cancelled_id", "cancelled_source"),
    "seen_at",
)
_ISSUANCES = ("customer_id", "target_id", "reward_id", "issued_at", "seen_at")


@dataclass(frozen=True, kw_only=True, slots=True)
class MovedAccount:
    """An account before and after a batch, which began at `seen_at`."""

    key: AccountKey
    before: KnownAccount
    after: KnownAccount
    seen_at: datetime


async def save_accounts(connection: Connection, moved: Iterable[MovedAccount]) -> None:
    """Write what is new or settled otherwise than before."""
    accounts = list(moved)
    await _copy(connection, "enrollments", _ENROLLMENTS, rows=chain.from_iterable(map(_new_enrollments, accounts)))
    await _copy(connection, "leaves", _LEAVES, rows=chain.from_iterable(map(_new_leaves, accounts)))
    await _copy(connection, "rewards", _REWARDS, rows=chain.from_iterable(map(_new_rewards, accounts)))
    await _copy(connection, "issuances", _ISSUANCES, rows=chain.from_iterable(map(_new_issuances, accounts)))
    await _update(connection, "move_accounts", map(_counters, accounts))
    await _update(connection, "move_leaves", chain.from_iterable(map(_moved_leaves, accounts)))
    await _update(connection, "move_rewards", chain.from_iterable(map(_moved_rewards, accounts)))


async def _copy(connection: Connection, table: str, columns: tuple[str, ...], *, rows: Iterable[Row]) -> None:
    records = list(rows)
    if records:
        await connection.copy_records_to_table(table, records=records, columns=columns)


async def _update(connection: Connection, name: str, rows: Iterable[Row]) -> None:
    records = list(rows)
    if records:
        await connection.execute(QUERIES[name], *(list(column) for column in zip(*records, strict=True)))


def _counters(moved: MovedAccount) -> Row:
    return (*moved.key, moved.after.decisions, moved.after.state.settled.revision, moved.after.waits)


def _new_enrollments(moved: MovedAccount) -> Iterable[Row]:
    known = {fact.key for fact in _before(moved).enrollments}
    for fact in _after(moved).enrollments:
        if fact.key not in known:
            yield (
                *moved.key,
                *fact.key,
                fact.enrolled_at,
                fact.from_cycle,
                fact.initial_balance,
                fact.reset_streak_status,
                fact.origin,
                moved.seen_at,
            )


def _new_leaves(moved: MovedAccount) -> Iterable[Row]:
    known = _settled(moved.before).leaves
    for fact in _after(moved).leaves:
        if fact.key not in known:
            settled = _settled(moved.after).leaves[fact.key]
            yield (
                *moved.key,
                *fact.key,
                fact.effective_at,
                fact.reason,
                fact.requested_by,
                settled.outcome,
                settled.first_dropped,
                moved.seen_at,
            )


def _moved_leaves(moved: MovedAccount) -> Iterable[Row]:
    known = _settled(moved.before).leaves
    for key, settled in _settled(moved.after).leaves.items():
        if key in known and known[key] != settled:
            yield (*moved.key, *key, settled.outcome, settled.first_dropped)


def _new_rewards(moved: MovedAccount) -> Iterable[Row]:
    known = _settled(moved.before).rewards
    for fact in _after(moved).rewards:
        if fact.reward_id not in known:
            yield (
                *moved.key,
                fact.reward_id,
                fact.cycle,
                fact.allocation,
                fact.achieved_at,
                fact.level,
                *(fact.value or (None, None)),
                *_standing(moved.after.state, fact.reward_id),
                moved.seen_at,
            )


def _moved_rewards(moved: MovedAccount) -> Iterable[Row]:
    known = _settled(moved.before).rewards
    for reward_id, settled in _settled(moved.after).rewards.items():
        if reward_id in known and known[reward_id] != settled:
            yield (*moved.key, reward_id, *_standing(moved.after.state, reward_id))


def _standing(state: AccountState, reward_id: str) -> Row:
    settled = state.settled.rewards[reward_id]
    return (
        settled.state,
        settled.rule,
        settled.action,
        settled.revision,
        *_identity(settled.leave),
        *_identity(settled.cancelled_by),
    )


def _identity(key: EventId | None) -> Row:
    return (None, None) if key is None else (key.id, key.source)


def _new_issuances(moved: MovedAccount) -> Iterable[Row]:
    known = _before(moved).issued
    for reward_id, issued_at in _after(moved).issued.items():
        if reward_id not in known:
            yield (*moved.key, reward_id, issued_at, moved.seen_at)


def _before(moved: MovedAccount) -> Account:
    return moved.before.state.account


def _after(moved: MovedAccount) -> Account:
    return moved.after.state.account


def _settled(known: KnownAccount) -> Settled:
    return known.state.settled
