"""A load settles an account once for each chunk, with the same result as if a lane had decided each line."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.batch_decisions import decide
from support.events import ABC, definition, enrollment_line
from support.files import XYZ, write_file
from unenroll.core.admission import RefusedEvent, to_fact
from unenroll.core.decide import AccountState
from unenroll.core.definitions import DefinitionSet, TargetGroup
from unenroll.core.events import AccountKey, EventId, EventKey
from unenroll.core.facts import Leave
from unenroll.ops.load import load as chunks
from unenroll.ops.load.accounts import (
    AccountBuilder,
    ChunkAdditions,
    GatheredFacts,
    LineResult,
    NewFact,
    Verdict,
    new_fact,
)
from unenroll.postgres.accounts import AccountChanges, KnownAccount, new_account
from unenroll.postgres.ledger import EventContent, LedgerRow
from unenroll.wire.decode import ReceivedEvent
from unenroll.wire.definitions import read_group
from unenroll.wire.ndjson import LoadedFact, load_line
from unenroll.wire.reasons import DeadLetter
from unenroll.worker.batch import GatheredState as GatheredByLane
from unenroll.worker.batch import Skipped
from unenroll.worker.fold import AccountFold, FoldResult, RecordedEvent

NOW = datetime(2026, 7, 1, tzinfo=UTC)
EVERYBODY = {
    **ABC,
    "targetGroupId": 13,
    "targets": [{"targetId": 23, "name": "Everybody", "kind": "MILESTONE", "enrollment": "AUTOMATIC"}],
}
GROUPS = (ABC, XYZ, EVERYBODY)
TARGETS = ((11, 21, "c"), (12, 22, "d"), (13, 23, "c"), (11, 22, "d"), (13, 99, "c"))
INSTANTS = (
    *("2025-12-31T23:59:59.999999Z", "2026-01-01T00:00:00Z", "2026-01-10T12:00:00Z", "2026-01-31T00:00:00Z"),
    *("2026-02-01T00:00:00Z", "2026-05-31T23:59:59Z", "2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z"),
)


def made_up(rng: Random, *, lines: int, customers: int) -> list[str]:
    """Lines as chance has them: with repetitions, conflicts, and names of what does not exist."""
    told: list[str] = []
    while len(told) < lines:
        again = told and rng.random() < 0.2
        told.append(rng.choice(told) if again else _line(rng, rng.randint(1, customers)))
    return told


def _line(rng: Random, customer: int) -> str:
    group, target, cycle = rng.choices(TARGETS, (10, 10, 10, 1, 1))[0]
    name = rng.choice(("CustomerEnrolled", "RewardEarned", "RewardEarned", "RewardIssued"))
    about: dict[str, Any] = {"customerId": customer, "targetId": target, "targetGroupId": group}
    reward = {"rewardId": f"R{rng.randint(1, 6)}"}
    more: dict[str, dict[str, Any]] = {
        "CustomerEnrolled": {
            "enrolledAt": rng.choice(INSTANTS),
            "periodName": rng.choice((None, None, f"{cycle}{rng.randint(1, 6)}")),
            "initialBalance": rng.choice((None, 0, 2.5)),
            "resetStreakStatus": rng.choice((True, False)),
            "origin": rng.choice(("EXPLICIT", "AUTOMATIC")),
        },
        "RewardEarned": {
            **reward,
            "periodName": f"{cycle}{rng.choice((1, 2, 2, 3, 31))}",
            "allocation": "IMMEDIATE" if cycle == "d" else rng.choice(("IMMEDIATE", "PERIOD_END")),
            "achievedAt": rng.choice(INSTANTS),
            "level": rng.choice((4, 8, 5)) if cycle == "d" else None,
            "issuedAt": rng.choice((None, *INSTANTS)),
        },
        "RewardIssued": {**reward, "issuedAt": rng.choice(INSTANTS)},
    }
    known = {"type": name, "source": "/upstream", "id": f"e{rng.randint(1, 40)}", "time": rng.choice(INSTANTS)}
    return json.dumps({**known, "data": {**about, **more[name]}})


def defined() -> DefinitionSet:
    groups = [read_group(data) for data in GROUPS]
    known = {group.group_id: group for group in groups if isinstance(group, TargetGroup)}
    assert len(known) == len(GROUPS)
    owners = {target: group.group_id for group in known.values() for target in group.targets}
    return DefinitionSet(groups=known, owners=owners)


def facts(lines: Iterable[str]) -> list[NewFact]:
    told = [load_line(line.encode()) for line in lines]
    return [new_fact(one) for one in told if isinstance(one, LoadedFact)]


class Books:
    """What is known, without any database."""

    def __init__(self) -> None:
        self.definitions = defined()
        self.accounts: dict[AccountKey, KnownAccount] = {}
        self.known: dict[EventKey, EventContent] = {}

    def take_at_once(self, chunk: Sequence[NewFact]) -> list[Verdict]:
        gathered = GatheredFacts(known=self.known, definitions=self.definitions, accounts=self.accounts)
        additions = ChunkAdditions(gathered=gathered, decided_at=NOW)
        verdicts = additions.decide(chunk)
        self.known |= {one.key: one.content for one in verdicts if isinstance(one, LedgerRow)}
        self._keep(additions.changed())
        return verdicts

    def take_one_by_one(self, chunk: Sequence[NewFact]) -> list[FoldResult]:
        gathered = GatheredByLane(definitions=self.definitions, accounts={}, ledger={})
        fold = AccountFold(gathered=gathered, decided_at=NOW, limits={})
        fates = fold.decide_all(received(one) for one in chunk)
        self._keep(fold.changed())
        return fates

    def _keep(self, changed: AccountChanges) -> None:
        assert {account.key for account in changed.new}.isdisjoint(self.accounts)
        assert {account.key for account in changed.existing} <= set(self.accounts)
        self.accounts |= {account.key: account for account in (*changed.existing, *changed.new)}


def received(one: NewFact) -> ReceivedEvent:
    told = one.loaded
    return ReceivedEvent(
        event=told.event,
        event_type=told.event_type,
        event_key=one.key.event_key,
        content_hash=told.content_hash,
        time=told.time,
        traceparent=None,
    )


def said(verdict: Verdict | FoldResult) -> object:
    if isinstance(verdict, LedgerRow | RecordedEvent):
        return verdict.key, verdict.decision, verdict.outcome
    if isinstance(verdict, DeadLetter):
        return verdict
    assert verdict in {LineResult.DUPLICATE, Skipped.DUPLICATE}
    return "duplicate"


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 3), st.integers(1, 25))
def test_at_once_and_one_by_one_come_to_the_same(seed: int, lines: int, customers: int, size: int) -> None:
    told = facts(made_up(Random(seed), lines=lines, customers=customers))  # noqa: S311 - chance that can be repeated
    at_once, one_by_one = Books(), Books()
    verdicts = [
        verdict for start in range(0, len(told), size) for verdict in at_once.take_at_once(told[start : start + size])
    ]
    assert list(map(said, verdicts)) == list(map(said, one_by_one.take_one_by_one(told)))
    assert at_once.accounts == one_by_one.accounts


TABLES = {
    "accounts": "customer_id, target_id, decisions, waits",
    "enrollments": "customer_id, target_id, id, source, enrolled_at, from_cycle, initial_balance,"
    " reset_streak_status, origin",
    "leaves": "*",
    "rewards": "customer_id, target_id, reward_id, cycle, allocation, achieved_at, level, amount, unit, state, rule,"
    " action, revision, leave_id, leave_source, cancelled_id, cancelled_source",
    "issuances": "customer_id, target_id, reward_id, issued_at",
    "ledger": "customer_id, event_key, event_type, content_version, content_hash, event_time, target_id, outcome,"
    " decision",
}
"""What is kept, without when it was kept and where it was read."""


async def taken_out(database_url: str) -> dict[str, list[str]]:
    """All rows; then there are none."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = {
            table: sorted(map(str, await connection.fetch(f"select {columns} from {table}")))  # noqa: S608
            for table, columns in TABLES.items()
        }
        await connection.execute("truncate accounts, ledger")
    finally:
        await connection.close()
    return rows


@pytest.mark.parametrize("seed", range(4))
async def test_the_tables_are_as_if_a_lane_had_decided_each_line(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(chunks, "MAX_CHUNK_LINES", 150)
    await write_file(tmp_path, [definition(data) for data in GROUPS]).load(database_url)
    told = made_up(Random(seed), lines=1000, customers=30)  # noqa: S311
    loaded = await write_file(tmp_path, told).load(database_url)
    assert min(loaded.facts, loaded.duplicates, loaded.bad) > 50
    at_once = await taken_out(database_url)
    await decide(database_url, *told)
    assert await taken_out(database_url) == at_once


def test_what_would_be_published_is_never_settled_here() -> None:
    definitions = defined()
    leave = Leave(key=EventId("leave", "/crm"), effective_at=datetime(2026, 3, 15, tzinfo=UTC))
    before = new_account(AccountKey(1, 21))
    state = AccountState(account=before.state.account.with_fact(leave))
    builder = AccountBuilder(before=KnownAccount(state=state, decisions=1, waits=False))
    (late,) = facts([enrollment_line(1)])
    placed = to_fact(late.loaded.event, definitions)
    assert not isinstance(placed, RefusedEvent)
    assert builder.add(late.loaded.event, placed, max_facts=100) is None
    with pytest.raises(ValueError, match="customer 1 left target 21, so a lane has to decide"):
        builder.settle(definitions.groups[11])
