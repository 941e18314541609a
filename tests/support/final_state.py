"""How things stand in the end: what the tables say, and what the core says of all the facts at once."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import asyncpg

from core.model import answer
from support.crowd import Crowd
from support.lives import Life
from unenroll.core.calendar import Calendar
from unenroll.core.definitions import Target
from unenroll.core.events import EventId, RewardEarned, RewardIssued
from unenroll.core.facts import Account
from unenroll.core.settle import Settlement, awaits_cycles, settle

Row = tuple[object, ...]
Rows = Mapping[str, list[dict[str, Any]]]

SAME: Mapping[str, tuple[str, ...]] = {
    "accounts": ("customer_id", "target_id", "decisions", "waits"),
    "enrollments": (
        *("customer_id", "target_id", "id", "source", "enrolled_at", "from_cycle", "initial_balance"),
        *("reset_streak_status", "origin"),
    ),
    "leaves": (
        *("customer_id", "target_id", "id", "source", "effective_at", "reason", "requested_by"),
        *("outcome", "first_dropped"),
    ),
    "rewards": (
        *("customer_id", "target_id", "reward_id", "cycle", "allocation", "achieved_at", "level", "amount", "unit"),
        *("state", "rule", "action", "leave_id", "leave_source"),
    ),
    "issuances": ("customer_id", "target_id", "reward_id"),
}
"""The columns that do not depend on the order of arrival."""

LUCK: Mapping[str, tuple[str, ...]] = {
    "accounts": ("facts",),  # all of it, with how many UserUnenrolled it took to get there
    "enrollments": ("seen_at",),  # when the worker first read it
    "leaves": ("seen_at",),
    "rewards": (
        "revision",  # how often it was cancelled and reinstated on the way
        *("cancelled_id", "cancelled_source"),  # who was to blame when it was last told: a change of blame is silent
        "seen_at",
    ),
    "issuances": ("seen_at", "issued_at"),  # of two times at which a reward was paid, the first to arrive is kept
}
"""The columns that do: they tell of the way, not of where it ends."""


async def rows(database_url: str) -> Rows:
    """What the tables say. Each column must be known either to be the same in every order, or to be luck."""
    connection = await asyncpg.connect(database_url)
    try:
        found = {}
        for table, columns in SAME.items():
            records = await connection.fetch(f"select * from {table}")  # noqa: S608 - our own words
            found[table] = [dict(record) for record in records]
            assert all({*columns, *LUCK[table]} == row.keys() for row in found[table])
        for table in ("ledger", "definition_refusals"):
            found[table] = [dict(row) for row in await connection.fetch(f"select * from {table}")]  # noqa: S608 - the same
        return found
    finally:
        await connection.close()


def ended(found: Rows) -> dict[str, set[Row]]:
    """What must be the same whatever the order of arrival was. How often somebody was settled again is luck."""
    again: Counter[Row] = Counter((row["customer_id"], row["target_id"]) for row in found["ledger"] if is_due(row))
    same = {**found, "accounts": [_without(again, row) for row in found["accounts"]]}
    return {table: {tuple(row[name] for name in columns) for row in same[table]} for table, columns in SAME.items()}


def is_due(row: Mapping[str, Any]) -> bool:
    """Whether this row of the ledger is an event of our own."""
    return bool(row["event_type"] == "SettlementDue")


def expected(crowd: Crowd) -> dict[str, set[Row]]:
    """The same of all the facts at once, settled by the core."""
    ends: dict[str, set[Row]] = {table: set() for table in SAME}
    for life in crowd.lives:
        account = life.account()
        settlement = agreed(account, life.target, life.calendar)
        ends["accounts"].add((life.customer_id, life.target.target_id, len(life.events), awaits_cycles(settlement)))
        for table, row in _facts(account, settlement):
            ends[table].add((life.customer_id, life.target.target_id, *row))
    return ends


def paid(lives: Iterable[Life]) -> set[Row]:
    """Each time at which a reward is told to be paid."""
    return {
        (event.customer_id, event.target_id, event.reward_id, event.issued_at)
        for life in lives
        for event in life.events
        if isinstance(event, RewardEarned | RewardIssued)
    }


def _without(again: Mapping[Row, int], row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "decisions": row["decisions"] - again[row["customer_id"], row["target_id"]]}


def agreed(account: Account, target: Target, calendar: Calendar) -> Settlement:
    """What the core says, and the rules when read literally: the core is no judge in its own case."""
    settlement = settle(account, target, calendar)
    literally = answer(account, target, calendar)
    leaves = {key: (one.outcome, one.first_dropped, one.ended_by) for key, one in settlement.leaves.items()}
    rewards = {key: (one.rule, one.action, one.spell, one.leave) for key, one in settlement.standings.items()}
    assert (leaves, rewards) == (literally.leaves, literally.rewards), account
    return settlement


def _facts(account: Account, settlement: Settlement) -> Iterator[tuple[str, Row]]:
    for fact in account.enrollments:
        rest = (fact.from_cycle, fact.initial_balance, fact.reset_streak_status, fact.origin.value)
        yield "enrollments", (*fact.key, fact.enrolled_at, *rest)
    for leave in account.leaves:
        result = settlement.leaves[leave.key]
        about = (leave.effective_at, leave.reason, leave.requested_by)
        yield "leaves", (*leave.key, *about, result.outcome.value, result.first_dropped)
    for reward in account.rewards:
        now = settlement.standings[reward.reward_id]
        what = (reward.reward_id, reward.cycle, reward.allocation.value, reward.achieved_at, reward.level)
        standing = (now.state.value, now.rule.value, now.action and now.action.value)
        yield "rewards", (*what, *(reward.value or (None, None)), *standing, *_identity(now.leave))
    for reward_id in account.issuances:
        yield "issuances", (reward_id,)


def _identity(key: EventId | None) -> Row:
    return (None, None) if key is None else key
