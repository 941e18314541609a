"""Whether the tables hold what the core says."""

import json
from collections.abc import Iterable, Mapping

import asyncpg

from benchmarks import peer_store
from benchmarks.expected import Expected, answered
from benchmarks.processes import unenroll
from benchmarks.workload import TARGET_ID, Workload
from unenroll.core.decide import AccountState
from unenroll.core.events import AccountKey
from unenroll.core.facts import Account
from unenroll.postgres.accounts import lock_accounts

_LOOKED_AT = 2000
_OUTCOMES = """
select outcome::text, count(*) from ledger
where outcome is not null and ($1::bigint is null or customer_id <= $1) group by outcome
"""


async def check_ours(
    environment: Mapping[str, str], workload: Workload, expected: Expected, *, last_customer: int | None = None
) -> None:
    """Raise SystemExit unless our tables have each outcome as often, and accounts as the core has them.

    Outcomes of customers after `last_customer` do not count; None: all outcomes count, and `status` says the same.
    """
    connection = await asyncpg.connect(environment["UNENROLL_DATABASE_URL"])
    await _check_outcomes(connection, expected, last_customer=last_customer)
    if last_customer is None:
        _check_same(json.loads(unenroll(environment, "status", "--json"))["requests"], expected)
    wanted = {state.account.customer_id: state for state in _states(workload)}
    async with connection.transaction():
        found, _ = await lock_accounts(connection, [AccountKey(customer, TARGET_ID) for customer in wanted])
    await connection.close()
    for customer, state in wanted.items():
        _check(customer, found[AccountKey(customer, TARGET_ID)].state, state)


async def check_peers(environment: Mapping[str, str], workload: Workload, expected: Expected) -> None:
    """The same of the per-message workers' tables."""
    connection = await asyncpg.connect(environment["UNENROLL_DATABASE_URL"])
    await _check_outcomes(connection, expected)
    for state in _states(workload):
        key = state.account.customer_id, state.account.target_id
        _check(key[0], await peer_store.lock(connection, key), state)
    await connection.close()


async def _check_outcomes(
    connection: "asyncpg.Connection[asyncpg.Record]", expected: Expected, *, last_customer: int | None = None
) -> None:
    rows = await connection.fetch(_OUTCOMES, last_customer)
    _check_same({row["outcome"]: row["count"] for row in rows}, expected)


def _check_same(counts: Mapping[str, int], expected: Expected) -> None:
    if counts != dict(expected.outcomes):
        raise SystemExit(f"the ledger has {counts}, but the core says {dict(expected.outcomes)}")


def _states(workload: Workload) -> Iterable[AccountState]:
    """How accounts stand after their requests: those of the first requests, and of some of the others."""
    every = max(1, workload.requests // _LOOKED_AT)
    for index, (_, message) in enumerate(workload.measured(1)):
        if index % every == 0:
            yield answered(workload, message).state


def _check(customer: int, found: AccountState, wanted: AccountState) -> None:
    if _sorted(found.account) != _sorted(wanted.account) or found.settled != wanted.settled:
        raise SystemExit(f"customer {customer} is kept as {found}, but the core says {wanted}")


def _sorted(account: Account) -> tuple[object, ...]:
    """The order of the facts within an account carries no meaning."""
    return set(account.enrollments), set(account.leaves), set(account.rewards), dict(account.issuances)
