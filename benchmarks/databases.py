"""Databases for runs: filled once for each workload, and copied for every run."""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from benchmarks import peer_store
from benchmarks.expected import opening_state
from benchmarks.processes import unenroll
from benchmarks.workload import Workload

_LOADED_AT_MOST = 1000
_QUERY_SECONDS = 600.0
_COLUMNS = """
select table_name, array_agg(column_name::text order by ordinal_position) as columns
from information_schema.columns join information_schema.tables using (table_schema, table_name)
where table_schema = 'public' and table_type = 'BASE TABLE' and is_identity = 'NO' and is_generated = 'NEVER'
group by table_name having 'customer_id' = any(array_agg(column_name::text)) order by table_name
"""


@asynccontextmanager
async def filled_for_us(server_url: str, workload: Workload) -> AsyncIterator[str]:
    """The name of a database with our tables and the workload's facts."""
    async with _database(server_url) as name:
        environment = {"UNENROLL_DATABASE_URL": url_of(server_url, name)}
        with TemporaryDirectory() as folder:
            file = Path(folder, "facts.ndjson")
            _write(file, workload)
            unenroll(environment, "migrate")
            unenroll(environment, "load", str(file))
        await _multiply(url_of(server_url, name), workload)
        yield name


@asynccontextmanager
async def filled_for_peers(server_url: str, workload: Workload) -> AsyncIterator[str]:
    """The name of a database with the tables of the per-message workers, and the same facts."""
    async with _database(server_url) as name:
        connection = await asyncpg.connect(url_of(server_url, name))
        await peer_store.make_tables(connection)
        await peer_store.fill(
            connection, [opening_state(workload, number) for number in range(1, _loaded(workload) + 1)]
        )
        await connection.close()
        await _multiply(url_of(server_url, name), workload)
        yield name


@asynccontextmanager
async def database_copy(server_url: str, template: str | None) -> AsyncIterator[str]:
    """The URL of a copy of the database, or of an empty one, with nothing left to be written to disk."""
    async with _database(server_url, template) as name:
        await execute(server_url, "checkpoint")
        yield url_of(server_url, name)


def url_of(server_url: str, name: str) -> str:
    """The URL of a database of the server."""
    return urlsplit(server_url)._replace(path=f"/{name}").geturl()


async def fetch_value(url: str, query: str, *arguments: object) -> Any:  # noqa: ANN401 - a value of Postgres
    """The value that the query returns, within ten minutes."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query, *arguments, timeout=_QUERY_SECONDS)
    finally:
        await connection.close()


async def execute(url: str, *statements: str) -> None:
    """Run statements, each on its own."""
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


@asynccontextmanager
async def _database(server_url: str, template: str | None = None) -> AsyncIterator[str]:
    name = f"bench_{secrets.token_hex(4)}"
    copy = f" template {template} strategy file_copy" if template else ""
    await execute(server_url, f"create database {name}{copy}")
    try:
        yield name
    finally:
        await execute(server_url, f"drop database {name} with (force)")


def _write(file: Path, workload: Workload) -> None:
    with file.open("w", encoding="utf-8") as lines:
        lines.write(json.dumps(workload.definition()) + "\n")
        for customer in range(1, _loaded(workload) + 1):
            lines.writelines(json.dumps(fact) + "\n" for fact in workload.facts(customer))


def _loaded(workload: Workload) -> int:
    return min(_LOADED_AT_MOST, workload.customers)


async def _multiply(url: str, workload: Workload) -> None:
    """More customers with the same facts, whatever the tables are: loading so many would take the time of the run."""
    loaded = _loaded(workload)
    times = -(-workload.customers // loaded)
    connection = await asyncpg.connect(url)
    for row in await connection.fetch(_COLUMNS):
        columns = [f'"{column}"' for column in row["columns"]]
        moved = [f"customer_id + {loaded} * times" if column == '"customer_id"' else column for column in columns]
        await connection.execute(
            f"insert into {row['table_name']} ({', '.join(columns)}) select {', '.join(moved)} "  # noqa: S608
            f"from {row['table_name']} cross join generate_series(1, {times - 1}) as times"
        )
    await connection.execute("vacuum analyze")
    await connection.close()
