"""Accounts are read as they were saved, with a fixed number of statements for any number of accounts."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import pytest
from msgspec.structs import replace

from support.events import utc
from unenroll.core.changes import SettledAccount, SettledLeave, SettledReward
from unenroll.core.decide import AccountState
from unenroll.core.events import AccountKey, EnrollmentOrigin, EventId, RewardAllocation, Value
from unenroll.core.facts import Account, Enrollment, Issuance, Leave, Reward
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import RewardAction, RewardState, Rule
from unenroll.errors import OutageError
from unenroll.postgres.account_codec import FirstSeen
from unenroll.postgres.accounts import AccountChanges, KnownAccount, lock_accounts, save_accounts
from unenroll.postgres.pool import open_pool, transaction

LARGEST = 2**63 - 1
LEAVE = EventId("leave-1", "/crm/app")
SEEN = utc("2026-04-01T00:00:00Z")
ALL_SEEN = FirstSeen((SEEN,), (SEEN,), (SEEN,), (SEEN,))
RESOLUTION = datetime(9999, 12, 31, 23, 59, 59, 999998, tzinfo=UTC)  # the latest time that an event may have


def full(key: AccountKey, *, state: RewardState = RewardState.CANCELLED) -> KnownAccount:
    """An account with one fact of each kind and all optional fields."""
    account = Account(
        customer_id=key.customer_id,
        target_id=key.target_id,
        enrollments=(
            Enrollment(
                key=EventId("in-1", "/crm"),
                enrolled_at=utc("2026-01-01T00:00:00.000001+05:30"),
                from_cycle=2,
                initial_balance=Decimal("0.10"),
                reset_streak_status=True,
                origin=EnrollmentOrigin.AUTOMATIC,
            ),
        ),
        leaves=(Leave(key=LEAVE, effective_at=RESOLUTION, reason="moving 😀", requested_by="agent 7"),),
        rewards=(
            Reward(
                reward_id="R" * 64,
                cycle=3,
                allocation=RewardAllocation.IMMEDIATE,
                achieved_at=utc("2026-03-05T10:00:00Z"),
                level=LARGEST,
                value=Value(Decimal("1234567890123456789.000000000000000010"), "EUR"),
            ),
        ),
        issuances={"R9": utc("2026-03-06T00:00:00Z")},
    )
    reward = SettledReward(
        state=state,
        rule=Rule.AFTER_UNENROLLMENT,
        action=RewardAction.REVERSE if state is RewardState.CANCELLED else None,
        revision=3,
        leave=LEAVE,
        cancelled_by=LEAVE,
    )
    settled = SettledAccount(
        leaves={LEAVE: SettledLeave(outcome=Outcome.UNENROLLED, first_dropped=3)},
        rewards={"R" * 64: reward},
        revision=2,
    )
    return KnownAccount(state=AccountState(account=account, settled=settled), decisions=7, waits=True)


async def save_new(pool: asyncpg.Pool, keys: Iterable[AccountKey]) -> None:
    async with transaction(pool) as connection:
        await save_accounts(connection, AccountChanges(existing=[], new=[full(key) for key in keys]), now=SEEN)


async def test_every_fact_and_its_settlement_is_read_as_it_was_saved(database_url: str) -> None:
    key = AccountKey(LARGEST, -LARGEST - 1)
    async with open_pool(database_url) as pool:
        await save_new(pool, [key])
        async with transaction(pool) as connection:
            assert (await lock_accounts(connection, [key])).accounts == {key: replace(full(key), first_seen=ALL_SEEN)}


async def test_a_changed_settlement_is_read_as_it_was_saved(database_url: str) -> None:
    key = AccountKey(1, 21)
    async with open_pool(database_url) as pool:
        await save_new(pool, [key])
        after = full(key, state=RewardState.KEPT)
        leaves = {LEAVE: SettledLeave(outcome=Outcome.ALREADY_UNENROLLED)}
        settled = SettledAccount(leaves=leaves, rewards=after.state.settled.rewards, revision=3)
        state = AccountState(account=after.state.account, settled=settled)
        after = KnownAccount(state=state, decisions=8, waits=False, first_seen=ALL_SEEN)
        async with transaction(pool) as connection:
            await save_accounts(connection, AccountChanges(existing=[after], new=[]), now=utc("2026-05-01T00:00:00Z"))
            assert (await lock_accounts(connection, [key])).accounts == {key: after}


async def test_a_fact_is_first_seen_when_it_is_first_saved(database_url: str) -> None:
    key, later = AccountKey(1, 21), utc("2026-05-01T00:00:00Z")
    async with open_pool(database_url) as pool:
        await save_new(pool, [key])
        async with transaction(pool) as connection:
            known = (await lock_accounts(connection, [key])).accounts[key]
            account = known.state.account.with_fact(Issuance(reward_id="R10", issued_at=later))
            state = AccountState(account=account, settled=known.state.settled)
            await save_accounts(connection, AccountChanges(existing=[replace(known, state=state)], new=[]), now=later)
            again = (await lock_accounts(connection, [key])).accounts[key]
    assert again.first_seen == ALL_SEEN._replace(issued=(SEEN, later))


async def test_the_views_show_the_facts_as_rows(database_url: str) -> None:
    key = AccountKey(1, 21)
    async with open_pool(database_url) as pool:
        await save_new(pool, [key])
        (reward,) = await pool.fetch("select * from rewards where customer_id = 1")
        (leave,) = await pool.fetch("select * from leaves")
        (enrollment,) = await pool.fetch("select * from enrollments")
        (issuance,) = await pool.fetch("select * from issuances")
    assert tuple(reward) == (
        *(1, 21, "R" * 64, 3, "IMMEDIATE", utc("2026-03-05T10:00:00Z"), LARGEST),
        *(Decimal("1234567890123456789.000000000000000010"), "EUR", "CANCELLED", "AFTER_UNENROLLMENT", "REVERSE", 3),
        *("leave-1", "/crm/app", "leave-1", "/crm/app", SEEN),
    )
    assert tuple(leave) == (*(1, 21, "leave-1", "/crm/app", RESOLUTION, "moving 😀", "agent 7", "UNENROLLED", 3, SEEN),)
    assert tuple(enrollment) == (
        *(1, 21, "in-1", "/crm", utc("2025-12-31T18:30:00.000001Z"), 2, Decimal("0.10"), True, "AUTOMATIC", SEEN),
    )
    assert tuple(issuance) == (1, 21, "R9", utc("2026-03-06T00:00:00Z"), SEEN)


async def test_an_unknown_account_is_not_returned(database_url: str) -> None:
    async with open_pool(database_url) as pool, transaction(pool) as connection:
        assert (await lock_accounts(connection, [AccountKey(1, 21)])).accounts == {}


async def test_an_account_that_another_transaction_has_inserted_is_not_overwritten(database_url: str) -> None:
    async with open_pool(database_url) as pool:
        await save_new(pool, [AccountKey(1, 21)])
        with pytest.raises(OutageError, match="another lane was faster"):
            await save_new(pool, [AccountKey(1, 20), AccountKey(1, 21)])
        async with transaction(pool) as connection:
            assert (await lock_accounts(connection, [AccountKey(1, 20)])).accounts == {}


async def test_the_number_of_statements_does_not_depend_on_the_batch(database_url: str) -> None:
    async with open_pool(database_url, connections=1) as pool:
        await statements(pool, [AccountKey(1, 20)])  # the client asks a new connection for its types first
        for_one = await statements(pool, [AccountKey(1, 21)])
        for_many = await statements(pool, [AccountKey(customer, 22) for customer in range(300)])
    assert for_many == for_one


async def statements(pool: asyncpg.Pool, keys: list[AccountKey]) -> int:
    """How many statements insert, lock and update these accounts. The one COPY is not counted."""
    queries: list[str] = []
    async with transaction(pool) as connection:
        connection.add_query_logger(lambda record: queries.append(record.query))
        await save_accounts(connection, AccountChanges(existing=[], new=[full(key) for key in keys]), now=SEEN)
        known = (await lock_accounts(connection, keys)).accounts
        await save_accounts(connection, AccountChanges(existing=list(known.values()), new=[]), now=SEEN)
    return len(queries)
