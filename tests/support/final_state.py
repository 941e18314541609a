"""The final state of a run: what the tables and topics must hold, and what is wrong with them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import asyncpg

from core.model import answer
from support.account_histories import AccountHistory
from support.consumer import ReceivedEvents, in_force, latest_state
from support.workload import Workload
from unenroll.core.calendar import Calendar
from unenroll.core.definitions import Target
from unenroll.core.events import EventId, RewardEarned, RewardIssued, UnenrollRequested
from unenroll.core.facts import Account
from unenroll.core.settle import Settlement, awaits_cycles, settle
from unenroll.postgres.account_codec import load_account
from unenroll.wire.encode import event_uuid

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
"""The columns that must be equal whatever the order of arrival."""

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
"""The columns that depend on the order of arrival."""


async def rows(database_url: str) -> Rows:
    """Read the tables. Fails for a column that is neither in SAME nor in LUCK."""
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


def comparable_rows(found: Rows) -> dict[str, set[Row]]:
    """The part of the tables that must be equal in every order of arrival, without the number of resettlements."""
    again: Counter[Row] = Counter((row["customer_id"], row["target_id"]) for row in found["ledger"] if is_due(row))
    same = {**found, "accounts": [_without(again, row) for row in found["accounts"]]}
    return {table: {tuple(row[name] for name in columns) for row in same[table]} for table, columns in SAME.items()}


def is_due(row: Mapping[str, Any]) -> bool:
    """Whether this row of the ledger is an event of the worker itself."""
    return bool(row["event_type"] == "SettlementDue")


def expected(workload: Workload) -> dict[str, set[Row]]:
    """The same part, as the core settles all facts at once."""
    ends: dict[str, set[Row]] = {table: set() for table in SAME}
    for history in workload.histories:
        account = history.account()
        settlement = checked_settlement(account, history.target, history.calendar)
        ends["accounts"].add(
            (
                history.customer_id,
                history.target.target_id,
                len(history.events),
                awaits_cycles(settlement),
            )
        )
        for table, row in _facts(account, settlement):
            ends[table].add((history.customer_id, history.target.target_id, *row))
    return ends


def payment_times(histories: Iterable[AccountHistory]) -> set[Row]:
    """Every (reward, time) at which an event says that the reward was paid."""
    return {
        (event.customer_id, event.target_id, event.reward_id, event.issued_at)
        for history in histories
        for event in history.events
        if isinstance(event, RewardEarned | RewardIssued)
    }


def _without(again: Mapping[Row, int], row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "decisions": row["decisions"] - again[row["customer_id"], row["target_id"]]}


def checked_settlement(account: Account, target: Target, calendar: Calendar) -> Settlement:
    """Settle with the core, and check the result against the literal reading of the rules."""
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


def differences(workload: Workload, found: Rows, received: ReceivedEvents, *, keyed: bool) -> Iterator[str]:
    """Every deviation, as a sentence. `keyed`: a customer's events were on one partition, so outputs are in order."""
    yield from (f"dead letter: {why}" for why in received.dead)
    yield from (
        f"{event_id} is visible {times} times" for event_id, times in Counter(received.ids).items() if times > 1
    )
    yield from (f"definition refused: {row['detail']}" for row in found["definition_refusals"])
    yield from _tables(comparable_rows(found), expected(workload))
    yield from _issuances(found, workload)
    yield from _answers(found, received, workload)
    yield from _leaves(found, received, workload)
    yield from _rewards(found, received)
    if keyed:
        yield from (f"{key} was not published in the order of its revisions" for key in received.out_of_order)


def _tables(found: Mapping[str, set[Row]], wanted: Mapping[str, set[Row]]) -> Iterator[str]:
    for table, rows in wanted.items():
        yield from (f"{table} lacks {row}" for row in rows - found[table])
        yield from (f"{table} has {row}" for row in found[table] - rows)


def _issuances(found: Rows, workload: Workload) -> Iterator[str]:
    received = payment_times(workload.histories)
    for row in found["issuances"]:
        key = (row["customer_id"], row["target_id"], row["reward_id"], row["issued_at"])
        if key not in received:
            yield f"no event says that {key}"


def _answers(found: Rows, received: ReceivedEvents, workload: Workload) -> Iterator[str]:
    """Check that each request has exactly one first answer: the rejection in the ledger, or a UserUnenrolled."""
    ledger = {(row["customer_id"], str(row["event_key"])): row["outcome"] for row in found["ledger"] if not is_due(row)}
    if len(ledger) != len(workload.events()):
        yield f"the ledger has {len(ledger)} of {len(workload.events())} events"
    left = {
        (key[0], data["requestSource"], data["requestId"])
        for key, all_of_it in received.left.items()
        for data in all_of_it
    }
    requests = [event for event in workload.events() if isinstance(event, UnenrollRequested)]
    for request in requests:
        key = (request.customer_id, request.key.source, request.key.id)
        outcome = ledger.get((request.customer_id, event_uuid(request.key)))
        rejected = received.rejected.get(key, [])
        if rejected != ([] if outcome == "UNENROLLED" else [outcome]) or (outcome == "UNENROLLED" and key not in left):
            yield f"request {key} was decided to be {outcome} at first, and got {rejected or 'no rejection'}"
    strangers = {*received.rejected, *left} - {(one.customer_id, one.key.source, one.key.id) for one in requests}
    yield from (f"no request asks for {key}" for key in strangers)


def _leaves(found: Rows, received: ReceivedEvents, workload: Workload) -> Iterator[str]:
    """Check that a consumer sees the leaves that are in force, each with its first dropped cycle."""
    cycles = {target: group.calendar.cycles for group in workload.groups for target in group.targets}
    cuts: dict[tuple[int, int], dict[str, str]] = {}
    for row in found["leaves"]:
        if row["outcome"] == "UNENROLLED":
            name = cycles[row["target_id"]][row["first_dropped"] - 1].name
            key = event_uuid(EventId(row["id"], row["source"]))
            cuts.setdefault((row["customer_id"], row["target_id"]), {})[key] = name
    for row in found["accounts"]:
        account = (row["customer_id"], row["target_id"])
        state, _ = load_account(row["facts"], customer_id=account[0], target_id=account[1])
        yield from _account(account, state.settled.revision, received.left.get(account, []), cuts=cuts.get(account, {}))


def _account(
    account: tuple[int, int], revision: int, received: list[dict[str, Any]], *, cuts: Mapping[str, str]
) -> Iterator[str]:
    held = in_force(received)
    if isinstance(held, str):
        yield f"account {account}: {held}"
        return
    if len(received) != revision:
        yield f"account {account}: {len(received)} UserUnenrolled of {revision}"
    if held.keys() != cuts.keys():
        yield f"account {account}: {sorted(held)} are published as in force, and {sorted(cuts)} are in force"
        return
    for key, data in held.items():
        dropped = data["droppedPeriods"]
        if dropped is not None and dropped["first"] != cuts[key]:
            yield f"account {account}: {key} is published to drop {dropped['first']}, and drops {cuts[key]}"


def _rewards(found: Rows, received: ReceivedEvents) -> Iterator[str]:
    for row in found["rewards"]:
        key = (row["customer_id"], row["target_id"], row["reward_id"])
        events = received.rewards.get(key, [])
        if [event["revision"] for event in events] != list(range(1, row["revision"] + 1)):
            yield f"reward {key}: revisions {[event['revision'] for event in events]} of {row['revision']}"
            continue
        if latest_state(events) != (row["state"], row["action"]):
            yield f"reward {key} is published as {latest_state(events)}, and is {row['state']} {row['action']}"
        blamed = None if row["cancelled_id"] is None else (row["cancelled_id"], row["cancelled_source"])
        named = (events[-1]["requestId"], events[-1]["requestSource"]) if events else None
        if named != blamed:
            yield f"reward {key}: its last event names {named}, and the table {blamed}"
