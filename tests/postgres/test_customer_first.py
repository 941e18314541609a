"""Every statement of a batch finds rows of customers by `customer_id`, the first column of each key.

So tables can be partitioned or spread by customer without any other statement.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest
from asyncpg.connection import LoggedQuery

from support.decisions import decide
from support.events import ENROLLED, definition, leave, of, period_end
from support.files import written
from unenroll.postgres.pool import Connection, transaction
from unenroll.worker import transaction as step

OF_CUSTOMERS: Final = """
    select table_name from information_schema.columns where table_schema = 'public' and column_name = 'customer_id'
"""
FIRST_COLUMN: Final = """
    select attname from pg_index join pg_attribute on attrelid = indrelid and attnum = indkey[0]
    where indexrelid = to_regclass($1)
"""
BY_INDEX: Final = "".join(f"set enable_{way} = off;" for way in ("seqscan", "bitmapscan", "hashjoin", "mergejoin"))


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> dict[str, LoggedQuery]:
    """What batches ask of Postgres, each statement once."""
    found: dict[str, LoggedQuery] = {}

    def keep(asked: LoggedQuery) -> None:
        found.setdefault(asked.query, asked)

    @asynccontextmanager
    async def heard(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
        async with transaction(pool) as connection:
            with connection.query_logger(keep):
                yield connection

    monkeypatch.setattr(step, "transaction", heard)
    return found


def scans(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The nodes of the plan that read a table."""
    if "Relation Name" in plan and plan["Node Type"] != "ModifyTable":
        yield plan
    for part in plan.get("Plans", ()):
        yield from scans(part)


async def test_a_batch_finds_rows_of_customers_by_customer_first(
    database_url: str, statements: dict[str, LoggedQuery], tmp_path: Path
) -> None:
    await written(tmp_path, [definition()]).load(database_url)
    for told in ([ENROLLED, period_end("R3", "c3", "05 03")], [ENROLLED, leave("15 03")]):
        await decide(database_url, *of(1, told), *of(2, told))
    connection = await asyncpg.connect(database_url)
    await connection.execute(BY_INDEX)
    tables = {row["table_name"] for row in await connection.fetch(OF_CUSTOMERS)}
    seen = set()
    for asked in statements.values():
        (plan,) = await (await connection.prepare(asked.query)).explain(*asked.args)
        for scan in scans(plan["Plan"]):
            if scan["Relation Name"] in tables:
                assert "customer_id" in scan.get("Index Cond", ""), asked.query
                assert await connection.fetchval(FIRST_COLUMN, scan["Index Name"]) == "customer_id", asked.query
                seen.add(scan["Relation Name"])
    await connection.close()
    assert seen == {"accounts", "erased_customers", "ledger"}
