"""What a customer and a record cost, measured with the real commands: `python -m benchmarks.sizing --measure`."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from benchmarks.databases import database_copy
from benchmarks.load import FACTS_OF_AN_ACCOUNT, facts, timed
from benchmarks.processes import unenroll
from benchmarks.processor_time import used
from benchmarks.workload import GROUP_ID, PARTITIONS, SOURCE, TARGET_ID, Workload
from unenroll.sandbox.servers import ServerAddresses, provide_servers

FILE = Path(__file__).with_name("sizing.json")
_OURS = ("accounts", "ledger", "publications", "dead_letters", "lanes")


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Of `customers` with one account of five facts each, and a request to leave of each.

    Bytes are of tables with their indexes, as VACUUM FULL leaves them: what updates leave behind until autovacuum has
    been there comes on top. Microseconds are of a processor, for a record that is decided for the first time or
    (`again`) is known already. What a command costs that has nothing to do is taken off.
    """

    customers: int
    load_average: float
    account_bytes: float
    ledger_bytes: float
    ledger_rows: float
    publication_bytes: float
    wal_bytes: float
    fact_python_us: float
    fact_postgres_us: float
    request_python_us: float
    request_postgres_us: float
    again_python_us: float
    again_postgres_us: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cost:
    """Seconds of a processor."""

    python: float
    postgres: float

    def __sub__(self, other: "_Cost") -> "_Cost":
        return _Cost(python=self.python - other.python, postgres=self.postgres - other.postgres)


async def measure(customers: int) -> Measured:
    """Run it all on servers of its own. Raises SystemExit if something is not as it should be."""
    async with provide_servers(os.environ, say=print) as servers, database_copy(servers.database_url, None) as url:
        environment = {"UNENROLL_DATABASE_URL": url, **_kafka(servers)}
        unenroll(environment, "migrate")
        unenroll(environment, "topics", "--partitions", str(PARTITIONS))
        idle = _worked(environment)
        _publish(environment, customers, requests=False)
        worked = _worked(environment) - idle
        before = await _wal(url)
        _publish(environment, customers, requests=True)
        asked = _worked(environment) - idle
        wal = await _wal(url) - before
        unenroll(environment, "offsets", "set", "--to", "earliest", "--why", "measured")
        again = _worked(environment) - idle
        sizes = await _sizes(url)
    if sizes["ledger_rows"] != customers * (FACTS_OF_AN_ACCOUNT + 1):
        raise SystemExit(f"{sizes['ledger_rows']} rows in the ledger")
    facts_told = customers * FACTS_OF_AN_ACCOUNT
    return Measured(
        customers=customers,
        load_average=round(os.getloadavg()[0], 2),
        account_bytes=round(sizes["accounts"] / customers),
        ledger_bytes=round(sizes["ledger"] / sizes["ledger_rows"]),
        ledger_rows=sizes["ledger_rows"] / customers,
        publication_bytes=round(sizes["publications"] / customers),
        wal_bytes=round(wal / customers),
        fact_python_us=_us(worked.python, facts_told),
        fact_postgres_us=_us(worked.postgres, facts_told),
        request_python_us=_us(asked.python, customers),
        request_postgres_us=_us(asked.postgres, customers),
        again_python_us=_us(again.python, facts_told + customers),
        again_postgres_us=_us(again.postgres, facts_told + customers),
    )


def keep(found: Measured) -> None:
    """Write it where `kept` finds it."""
    FILE.write_text(json.dumps(asdict(found), indent=2) + "\n", encoding="utf-8")


def kept() -> Measured:
    """What was measured last."""
    return Measured(**json.loads(FILE.read_text(encoding="utf-8")))


def _kafka(servers: ServerAddresses) -> dict[str, str]:
    return {"UNENROLL_KAFKA_BOOTSTRAP_SERVERS": servers.kafka, "UNENROLL_TOPIC_PREFIX": f"sizing-{time.time():.0f}."}


def _publish(environment: Mapping[str, str], customers: int, *, requests: bool) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder, "lines.ndjson")
        with file.open("w", encoding="utf-8") as lines:
            if requests:
                lines.writelines(json.dumps(_leave(customer)) + "\n" for customer in range(1, customers + 1))
            else:
                around = {"source": SOURCE, "time": "2026-01-01T00:00:00Z"}
                lines.write(json.dumps({**Workload(requests=1, accounts=1).definition(), **around}) + "\n")
                lines.writelines(json.dumps(fact) + "\n" for fact in facts(customers, by_kind=True))
        unenroll(environment, "publish", str(file))


def _leave(customer: int) -> dict[str, object]:
    data = {"customerId": customer, "targetGroupId": GROUP_ID, "targetId": TARGET_ID, "reason": "sizing"}
    return {
        "type": "UnenrollRequested",
        "id": f"out-{customer}",
        "source": SOURCE,
        "time": "2026-03-15T04:00:00Z",
        "data": data,
    }


def _worked(environment: Mapping[str, str]) -> _Cost:
    before = used(())
    finding = timed(environment, "run", "--until-caught-up")
    return _Cost(python=finding.at_work, postgres=(used(()) - before).postgres)


def _us(seconds: float, records: int) -> float:
    return round(seconds / records * 1e6, 1)


async def _sizes(url: str) -> dict[str, int]:
    await _execute(url, "vacuum full accounts")
    await _execute(url, "vacuum full ledger")
    sizes = {table: await _fetch(url, f"select pg_total_relation_size('{table}')") for table in _OURS}
    return {**sizes, "ledger_rows": await _fetch(url, "select count(*) from ledger")}


async def _wal(url: str) -> int:
    return await _fetch(url, "select (pg_current_wal_insert_lsn() - '0/0')::bigint")


async def _fetch(url: str, query: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
