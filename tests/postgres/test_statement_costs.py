"""The cost of a statement does not grow with its table, also if Postgres plans it without its arguments."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import asyncpg

from support.large_tables import ROWS, fill
from unenroll.postgres.queries import QUERIES

MOST_ROWS = ROWS // 16
HALF = "80000000-0000-0000-0000-000000000000"
ARGUMENTS = {
    "bool": "true",
    "bytea": r"'\x80'",
    "float8": "5",
    "int2": "5",
    "int4": "5",
    "int8": "5",
    "text": "'t.facts'",
    "tid": "'(4,0)'",
    "timestamptz": "now()",
    "uuid": f"'{HALF}'",
}
"""An argument of each type. An array has one element."""

BLOCKS = {name: ["'(4,0)'", "'(8,0)'"] for name in QUERIES if name.startswith(("prune_", "prunable_"))}
FIRST_ARGUMENTS = {
    **BLOCKS,
    "limit_count": ["'10s'"],
    "release_letters": ["array['t.facts']", str(ROWS - 10)],
    "table_blocks": ["'ledger'"],
    "undecided_requests": [f"'{HALF}'", "'80400000-0000-0000-0000-000000000000'"],
}

WHOLE_TABLES = {
    "event_counts": "a count with a time limit of its own",
    "dead_letter_counts": "a count with a time limit of its own",
    "erased_customers_count": "a count with a time limit of its own",
    "publications_above": "a worker publishes each batch before it decides the next one",
}
"""The statements that read more, and why they may."""


def rows_read(plan: Mapping[str, Any]) -> Iterator[float]:
    """How many rows each node of the plan reads from a table."""
    if "Relation Name" in plan and plan["Node Type"] != "ModifyTable":
        removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        yield (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    for part in plan.get("Plans", ()):
        yield from rows_read(part)


async def read_by(connection: asyncpg.Connection, name: str) -> float:
    """How many rows this statement reads."""
    types = [one.name for one in (await connection.prepare(QUERIES[name])).get_parameters()]
    arguments = [f"array[{ARGUMENTS[one[:-2]]}]::{one}" if one.endswith("[]") else ARGUMENTS[one] for one in types]
    arguments[: len(FIRST_ARGUMENTS.get(name, ()))] = FIRST_ARGUMENTS.get(name, ())
    call = f"it ({', '.join(arguments)})" if arguments else "it"
    await connection.execute(f"begin; prepare it as {QUERIES[name]}")
    plan = await connection.fetchval(f"explain (analyze, format json) execute {call}")
    await connection.execute("rollback; deallocate it")
    return sum(rows_read(json.loads(plan)[0]["Plan"]))


async def test_each_statement_reads_few_rows_of_a_large_table(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await fill(connection)
    await connection.execute("set session_replication_role = replica")  # inserts need no row of another table
    statements = [name for name, query in QUERIES.items() if not query.startswith(("set ", "lock "))]
    for mode in ("force_custom_plan", "force_generic_plan"):
        await connection.execute(f"set plan_cache_mode = {mode}")
        read = {name: await read_by(connection, name) for name in statements}
        large = {name: rows for name, rows in read.items() if rows > MOST_ROWS and name not in WHOLE_TABLES}
        assert large == {}, mode
        assert max(read[name] for name in WHOLE_TABLES) >= ROWS
    await connection.close()
