"""How fast `unenroll load` is, and how much memory it takes: accounts with an enrollment and four rewards each.

Prints lines per second and the most megabytes of the real command, for a file that is new and for the same file again,
and checks that every fact is in the tables once.
"""

import argparse
import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from benchmarks.databases import database_copy
from benchmarks.processes import python, unenroll
from benchmarks.workload import GROUP_ID, SOURCE, TARGET_ID, Workload
from unenroll.sandbox.servers import ServerAddresses, provide_servers

REWARDS = (
    ("R1", "c1", "PERIOD_END", "2026-01-10T00:00:00Z"),
    ("R2", "c2", "IMMEDIATE", "2026-02-10T00:00:00Z"),
    ("R3", "c3", "PERIOD_END", "2026-03-05T00:00:00Z"),
    ("R4", "c3", "IMMEDIATE", "2026-03-06T00:00:00Z"),
)
FACTS_OF_AN_ACCOUNT = 1 + len(REWARDS)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One run of the command: from start to end, and how much of that it was at work itself."""

    seconds: float
    at_work: float
    megabytes: float


def facts(accounts: int, *, by_kind: bool) -> Iterator[dict[str, object]]:
    """Each customer's enrollment and rewards, one customer after the other or one kind of fact after the other."""
    if by_kind:
        for kind in range(FACTS_OF_AN_ACCOUNT):
            yield from (_facts_of(customer)[kind] for customer in range(1, accounts + 1))
    else:
        for customer in range(1, accounts + 1):
            yield from _facts_of(customer)


def _facts_of(customer: int) -> list[dict[str, object]]:
    account = {"customerId": customer, "targetGroupId": GROUP_ID, "targetId": TARGET_ID}
    around = {"source": SOURCE, "time": "2026-03-10T00:00:00Z"}
    enrolled = {**account, "enrolledAt": "2026-01-01T00:00:00Z"}
    received: list[dict[str, object]] = [
        {"type": "CustomerEnrolled", "id": f"in-{customer}", **around, "data": enrolled}
    ]
    for name, cycle, allocation, at in REWARDS:
        reward_id = f"{name}-{customer}"
        data = {"rewardId": reward_id, "periodName": cycle, "allocation": allocation, "achievedAt": at}
        worth = {"value": {"amount": "2.50", "unit": "EUR"}}
        received.append({"type": "RewardEarned", "id": reward_id, **around, "data": {**account, **data, **worth}})
    return received


def _write(file: Path, accounts: int, *, by_kind: bool) -> None:
    with file.open("w", encoding="utf-8") as lines:
        lines.write(json.dumps(Workload(requests=1, accounts=1).definition()) + "\n")
        lines.writelines(json.dumps(fact) + "\n" for fact in facts(accounts, by_kind=by_kind))


async def measure(servers: ServerAddresses, accounts: int, *, by_kind: bool) -> tuple[Finding, Finding]:
    """The first load of a file, and a second one of the same, in a database of their own."""
    async with database_copy(servers.database_url, None) as url:
        with TemporaryDirectory() as folder:
            file = Path(folder, "facts.ndjson")
            _write(file, accounts, by_kind=by_kind)
            environment = {"UNENROLL_DATABASE_URL": url}
            unenroll(environment, "migrate")
            first = timed(environment, "load", str(file))
            again = timed(environment, "load", str(file))
        await _check(url, accounts)
    return first, again


def timed(environment: Mapping[str, str], *arguments: str) -> Finding:
    """The real command in a process of its own."""
    with TemporaryDirectory() as folder:
        log = Path(folder, "log")
        with log.open("wb") as output:
            began = time.monotonic()
            command = python("unenroll", *arguments)
            process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=output, stderr=output)  # noqa: S603
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"unenroll {' '.join(arguments)} failed:\n{log.read_text()[-3000:]}")
    return Finding(seconds=seconds, at_work=usage.ru_utime + usage.ru_stime, megabytes=usage.ru_maxrss / 1024)


async def _check(database_url: str, accounts: int) -> None:
    connection = await asyncpg.connect(database_url)
    wanted = {
        "accounts": accounts,
        "enrollments": accounts,
        "rewards": accounts * len(REWARDS),
        "ledger": accounts * FACTS_OF_AN_ACCOUNT,
    }
    found = {table: await connection.fetchval(f"select count(*) from {table}") for table in wanted}  # noqa: S608
    await connection.close()
    if found != wanted:
        raise SystemExit(f"{found} rows, not {wanted}")


async def main(sizes: list[int], *, by_kind: bool) -> None:
    """Print the two loads of each size."""
    async with provide_servers(os.environ, say=print) as servers:
        for size in sizes:
            accounts = size // FACTS_OF_AN_ACCOUNT
            lines = accounts * FACTS_OF_AN_ACCOUNT
            loads = await measure(servers, accounts, by_kind=by_kind)
            for which, finding in zip(("first", "again"), loads, strict=True):
                rate = f"{lines / finding.seconds:,.0f} lines/s, {finding.seconds:,.1f} s start to end"
                cost = f"{finding.at_work:,.1f} s of a processor, at most {finding.megabytes:.0f} MB"
                print(f"{lines:,} facts, {which}: {rate}; {cost}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", type=int, nargs="+", default=[20_000, 100_000], help="so many in one file")
    parser.add_argument(
        "--by-kind", action="store_true", help="one kind of fact after the other, not customer by customer"
    )
    chosen = parser.parse_args()
    asyncio.run(main(chosen.facts, by_kind=chosen.by_kind))
