"""Every statement of a batch finds the rows of customers by `customer_id`, the first column of each key.

So the tables can be partitioned by customer without a change of the statements.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest
from asyncpg.connection import LoggedQuery

from support.batch_decisions import decide
from support.events import ENROLLED, definition, leave, lines_of_customer, period_end
from support.files import write_file
from unenroll.postgres.pool import Connection, transaction
from unenroll.worker import transaction as step

CUSTOMER_TABLES: Final = """
    select table_name from information_schema.columns where table_schema = 'public' and column_name = 'customer_id'
"""
FIRST_COLUMN: Final = """
    select attname from pg_index join pg_attribute on attrelid = indrelid and attnum = indkey[0]
    where indexrelid = to_regclass($1)
"""
BY_INDEX: Final = "".join(f"set enable_{way} = off;" for way in ("seqscan", "bitmapscan", "hashjoin", "mergejoin"))


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> dict[str, LoggedQuery]:
    """The statements of batches, each one once."""
    found: dict[str, LoggedQuery] = {}

    def keep(query: LoggedQuery) -> None:
        found.setdefault(query.query, query)

    @asynccontextmanager
    async def logged(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
        async with transaction(pool) as connection:
            with connection.query_logger(keep):
                yield connection

    monkeypatch.setattr(step, "transaction", logged)
    return found


def scans(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The nodes of the plan that read a table."""
    if "Relation Name" in plan and plan["Node Type"] != "ModifyTable":
        yield plan
    for part in plan.get("Plans", ()):
        yield from scans(part)


async def test_a_batch_finds_rows_of_customers_by_customer_id(
    database_url: str, statements: dict[str, LoggedQuery], tmp_path: Path
) -> None:
    await write_file(tmp_path, [definition()]).load(database_url)
    for events in ([ENROLLED, period_end("R3", "c3", "05 03")], [ENROLLED, leave("15 03")]):
        await decide(database_url, *lines_of_customer(1, events), *lines_of_customer(2, events))
    connection = await asyncpg.connect(database_url)
    await connection.execute(BY_INDEX)
    tables = {row["table_name"] for row in await connection.fetch(CUSTOMER_TABLES)}
    scanned = set()
    for statement in statements.values():
        (plan,) = await (await connection.prepare(statement.query)).explain(*statement.args)
        for scan in scans(plan["Plan"]):
            if scan["Relation Name"] in tables:
                assert "customer_id" in scan.get("Index Cond", ""), statement.query
                assert await connection.fetchval(FIRST_COLUMN, scan["Index Name"]) == "customer_id", statement.query
                scanned.add(scan["Relation Name"])
    await connection.close()
    assert scanned == {"accounts", "erased_customers", "ledger"}
