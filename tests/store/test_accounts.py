"""What is saved of an account is what is gathered of it again, in a number of statements that does not grow."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg

from stage.events import utc
from unenroll.core.changes import Settled, SettledLeave, SettledReward
from unenroll.core.decide import AccountState
from unenroll.core.events import Allocation, EventId, Origin, Value
from unenroll.core.facts import Account, Enrollment, Leave, Reward
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import Action, Rule, State
from unenroll.store.accounts import AccountKey, KnownAccount, lock_accounts, make_accounts
from unenroll.store.connect import connected, transaction
from unenroll.store.saving import MovedAccount, save_accounts

LARGEST = 2**63 - 1
LEAVE = EventId("leave-1", "/crm/app")
LAST_MOMENT = datetime(9999, 12, 31, 23, 59, 59, 999998, tzinfo=UTC)  # that an event may tell


def full(key: AccountKey, *, state: State = State.CANCELLED) -> KnownAccount:
    """An account with one fact of each kind, and everything that may be empty filled."""
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
                origin=Origin.AUTOMATIC,
            ),
        ),
        leaves=(Leave(key=LEAVE, effective_at=LAST_MOMENT, reason="moving 😀", requested_by="agent 7"),),
        rewards=(
            Reward(
                reward_id="R" * 64,
                cycle=3,
                allocation=Allocation.IMMEDIATE,
                achieved_at=utc("2026-03-05T10:00:00Z"),
                level=LARGEST,
                value=Value(Decimal("1234567890123456789.000000000000000010"), "EUR"),
            ),
        ),
        issued={"R9": utc("2026-03-06T00:00:00Z")},
    )
    reward = SettledReward(
        state=state,
        rule=Rule.AFTER_UNENROLLMENT,
        action=Action.REVERSE if state is State.CANCELLED else None,
        revision=3,
        leave=LEAVE,
        cancelled_by=LEAVE,
    )
    settled = Settled(
        leaves={LEAVE: SettledLeave(outcome=Outcome.UNENROLLED, first_dropped=3)},
        rewards={"R" * 64: reward},
        revision=2,
    )
    return KnownAccount(state=AccountState(account=account, settled=settled), decisions=7, waits=True)


def moved(before: KnownAccount, after: KnownAccount) -> MovedAccount:
    account = after.state.account
    key = AccountKey(account.customer_id, account.target_id)
    return MovedAccount(key=key, before=before, after=after, seen_at=utc("2026-04-01T00:00:00Z"))


async def save_new(pool: asyncpg.Pool, keys: Iterable[AccountKey]) -> None:
    async with transaction(pool) as connection:
        made = await make_accounts(connection, keys)
        await save_accounts(connection, [moved(before, full(key)) for key, before in made.items()])


async def test_every_fact_and_what_it_was_settled_to_comes_back_exactly(database_url: str) -> None:
    key = AccountKey(LARGEST, -LARGEST - 1)
    async with connected(database_url) as pool:
        await save_new(pool, [key])
        async with transaction(pool) as connection:
            assert await lock_accounts(connection, [key]) == {key: full(key)}


async def test_what_is_settled_otherwise_comes_back_otherwise(database_url: str) -> None:
    key = AccountKey(1, 21)
    async with connected(database_url) as pool:
        await save_new(pool, [key])
        before, after = full(key), full(key, state=State.KEPT)
        leaves = {LEAVE: SettledLeave(outcome=Outcome.ALREADY_UNENROLLED)}
        settled = Settled(leaves=leaves, rewards=after.state.settled.rewards, revision=3)
        state = AccountState(account=after.state.account, settled=settled)
        after = KnownAccount(state=state, decisions=8, waits=False)
        async with transaction(pool) as connection:
            await save_accounts(connection, [moved(before, after)])
            assert await lock_accounts(connection, [key]) == {key: after}


async def test_an_account_that_nobody_knows_is_not_there(database_url: str) -> None:
    async with connected(database_url) as pool, transaction(pool) as connection:
        assert await lock_accounts(connection, [AccountKey(1, 21)]) == {}


async def test_the_number_of_statements_does_not_depend_on_the_batch(database_url: str) -> None:
    async with connected(database_url, connections=1) as pool:
        await save_new(pool, [AccountKey(1, 20)])  # the client asks a new connection for its types first
        for_one = await statements(pool, [AccountKey(1, 21)])
        for_many = await statements(pool, [AccountKey(customer, 22) for customer in range(300)])
    assert for_many == for_one


async def statements(pool: asyncpg.Pool, keys: list[AccountKey]) -> int:
    """How many it takes to make, save and read these accounts. COPY is not among them: one a table that is written."""
    counted: list[str] = []
    async with transaction(pool) as connection:
        connection.add_query_logger(lambda record: counted.append(record.query))
        made = await make_accounts(connection, keys)
        await save_accounts(connection, [moved(before, full(key)) for key, before in made.items()])
        await save_accounts(connection, [moved(full(key), full(key, state=State.KEPT)) for key in keys])
        await lock_accounts(connection, keys)
    return len(counted)
