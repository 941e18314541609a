"""What the worker needs to be allowed to do with the tables, and what of that it is not."""

from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType

import asyncpg

from unenroll.store.outage import postgres_errors
from unenroll.store.queries import QUERIES

TABLE_RIGHTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "accounts": ("select", "insert", "update"),
        "alembic_version": ("select",),
        "dead_letters": ("select", "insert"),
        "definition_refusals": ("insert",),
        "erased_customers": ("select", "update"),
        "lanes": ("select", "insert", "update"),
        "ledger": ("select", "insert"),
        "oldest_program": ("select",),
        "publications": ("select", "insert"),
        "settlements_due": ("select", "insert", "update", "delete"),
        "target_groups": ("select", "insert", "update"),
        "targets": ("select", "insert"),
    }
)
"""By table. To lock rows takes the right to update them. deploy/postgres/grants.sql gives just these."""


async def missing_rights(pool: asyncpg.Pool) -> list[str]:
    """The statements that would give us what we lack; none for tables that are not there. Raises OutageError."""
    needed = [(table, right) for table, rights in TABLE_RIGHTS.items() for right in rights]
    with postgres_errors():
        closed = await pool.fetch(QUERIES["closed_schemas"])
        rows = await pool.fetch(QUERIES["missing_rights"], *map(list, zip(*needed, strict=True)))
    missing: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        missing[row["name"], row["who"]].append(row["needed"])
    schemas = [f"grant usage on schema {row['name']} to {row['who']}" for row in closed]
    return schemas + [f"grant {', '.join(rights)} on {table} to {who}" for (table, who), rights in missing.items()]
