"""The tables of the per-message workers: an account locked and read, and its decision written, in plain SQL."""

from collections.abc import Iterable
from pathlib import Path

import asyncpg

from unenroll.core.changes import SettledAccount, SettledLeave, SettledReward
from unenroll.core.decide import AccountState, Decision
from unenroll.core.events import EventId, RewardAllocation, UnenrollRequested
from unenroll.core.facts import Account, Enrollment, Leave, Reward
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import RewardAction, RewardState, Rule

Key = tuple[int, int]
Row = tuple[object, ...]

_LOCK = "select revision from accounts where customer_id = $1 and target_id = $2 for update"
_NEW = "insert into accounts (customer_id, target_id) values ($1, $2) on conflict do nothing"
_ENROLLMENTS = "select id, source, enrolled_at from enrollments where customer_id = $1 and target_id = $2"
_LEAVES = """
select id, source, effective_at, reason, outcome, first_dropped from leaves where customer_id = $1 and target_id = $2
"""
_REWARDS = """
select reward_id, cycle, allocation, achieved_at, state, rule, action, revision,
       leave_id, leave_source, cancelled_id, cancelled_source
from rewards where customer_id = $1 and target_id = $2
"""
_DECIDED = """
insert into ledger (customer_id, id, source, outcome, answers, decided_at) values ($1, $2, $3, $4, $5, $6)
on conflict do nothing returning true
"""
_ANSWERS = "select answers from ledger where customer_id = $1 and id = $2 and source = $3"
_LEAVE = "insert into leaves values ($1, $2, $3, $4, $5, $6, $7, $8)"
_MOVE_REWARDS = """
update rewards as reward
set state = moved.state, rule = moved.rule, action = moved.action, revision = moved.revision,
    leave_id = moved.leave_id, leave_source = moved.leave_source,
    cancelled_id = moved.cancelled_id, cancelled_source = moved.cancelled_source
from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::text[], $9::text[], $10::text[],
            $11::text[])
     as moved (reward_id, state, rule, action, revision, leave_id, leave_source, cancelled_id, cancelled_source)
where reward.customer_id = $1 and reward.target_id = $2 and reward.reward_id = moved.reward_id
"""
_MOVE_ACCOUNT = "update accounts set revision = $3 where customer_id = $1 and target_id = $2"


async def make_tables(connection: asyncpg.Connection) -> None:
    """Make the tables."""
    await connection.execute(Path(__file__).with_name("peer_tables.sql").read_text(encoding="utf-8"))


async def fill(connection: asyncpg.Connection, states: Iterable[AccountState]) -> None:
    """Write accounts that have no leaves yet, and a ledger row for each of their facts."""
    rows: dict[str, list[Row]] = {"accounts": [], "enrollments": [], "rewards": [], "ledger": []}
    for state in states:
        account = state.account
        key = account.customer_id, account.target_id
        rows["accounts"].append((*key, state.settled.revision))
        enrollments = account.enrollments
        rows["enrollments"] += [(*key, *enrollment.key, enrollment.enrolled_at) for enrollment in enrollments]
        rows["rewards"] += [_reward_row(key, reward, state.settled) for reward in account.rewards]
        facts = [*((fact.key.id, fact.enrolled_at) for fact in enrollments)]
        facts += [(fact.reward_id, fact.achieved_at) for fact in account.rewards]
        rows["ledger"] += [(account.customer_id, name, "load", None, b"", at) for name, at in facts]
    for table, records in rows.items():
        await connection.copy_records_to_table(table, records=records)


async def lock(connection: asyncpg.Connection, key: Key) -> AccountState:
    """The account, locked until the transaction ends; it is made if it is not there."""
    revision = await connection.fetchval(_LOCK, *key)
    if revision is None:
        await connection.execute(_NEW, *key)
        revision = await connection.fetchval(_LOCK, *key)
    return await read(connection, key, revision=revision)


async def read(connection: asyncpg.Connection, key: Key, *, revision: int) -> AccountState:
    """The account as it is."""
    enrollments = await connection.fetch(_ENROLLMENTS, *key)
    leaves = await connection.fetch(_LEAVES, *key)
    rewards = await connection.fetch(_REWARDS, *key)
    return AccountState(
        account=Account(
            customer_id=key[0],
            target_id=key[1],
            enrollments=tuple(
                Enrollment(key=EventId(row["id"], row["source"]), enrolled_at=row["enrolled_at"]) for row in enrollments
            ),
            leaves=tuple(_leave(row) for row in leaves),
            rewards=tuple(_reward(row) for row in rewards),
        ),
        settled=SettledAccount(
            leaves={
                EventId(row["id"], row["source"]): SettledLeave(Outcome(row["outcome"]), row["first_dropped"])
                for row in leaves
            },
            rewards={row["reward_id"]: _standing(row) for row in rewards},
            revision=revision,
        ),
    )


async def save(
    connection: asyncpg.Connection, request: UnenrollRequested, before: AccountState, *, decided: Decision
) -> None:
    """Write the leave, and whatever is settled otherwise than before."""
    key = request.customer_id, request.target_id
    settled = decided.state.settled
    leave = settled.leaves[request.key]
    facts = request.effective_at, request.reason
    await connection.execute(_LEAVE, *key, *request.key, *facts, leave.outcome.value, leave.first_dropped)
    moved = [
        (reward_id, *_columns(now))
        for reward_id, now in settled.rewards.items()
        if now is not before.settled.rewards[reward_id]
    ]
    if moved:
        await connection.execute(_MOVE_REWARDS, *key, *(list(column) for column in zip(*moved, strict=True)))
    if settled.revision != before.settled.revision:
        await connection.execute(_MOVE_ACCOUNT, *key, settled.revision)


async def decided_now(
    connection: asyncpg.Connection, request: UnenrollRequested, decided: Decision, *, answers: bytes
) -> bool:
    """Whether the request was not decided before. It is in the ledger from now on."""
    outcome = None if decided.outcome is None else decided.outcome.value
    row = (request.customer_id, *request.key, outcome, answers, request.time)
    return await connection.fetchval(_DECIDED, *row) is not None


async def answers_before(connection: asyncpg.Connection, request: UnenrollRequested) -> bytes:
    """What was to be published of a request that was decided before."""
    found: bytes = await connection.fetchval(_ANSWERS, request.customer_id, *request.key)
    return found


def _leave(row: asyncpg.Record) -> Leave:
    return Leave(key=EventId(row["id"], row["source"]), effective_at=row["effective_at"], reason=row["reason"])


def _reward(row: asyncpg.Record) -> Reward:
    return Reward(
        reward_id=row["reward_id"],
        cycle=row["cycle"],
        allocation=RewardAllocation(row["allocation"]),
        achieved_at=row["achieved_at"],
    )


def _standing(row: asyncpg.Record) -> SettledReward:
    return SettledReward(
        RewardState(row["state"]),
        Rule(row["rule"]),
        action=None if row["action"] is None else RewardAction(row["action"]),
        revision=row["revision"],
        leave=None if row["leave_id"] is None else EventId(row["leave_id"], row["leave_source"]),
        cancelled_by=None if row["cancelled_id"] is None else EventId(row["cancelled_id"], row["cancelled_source"]),
    )


def _reward_row(key: Key, reward: Reward, settled: SettledAccount) -> Row:
    facts = reward.reward_id, reward.cycle, reward.allocation.value, reward.achieved_at
    return (*key, *facts, *_columns(settled.rewards[reward.reward_id]))


def _columns(now: SettledReward) -> Row:
    action = None if now.action is None else now.action.value
    return (
        *(now.state.value, now.rule.value, action, now.revision),
        *(now.leave or (None, None)),
        *(now.cancelled_by or (None, None)),
    )
