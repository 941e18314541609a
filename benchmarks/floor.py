"""The least SQL that could record the same decisions: for each batch a COPY of its ledger rows and one UPDATE.

Everything is computed before; two connections take turns at the batches. Nothing is read, nothing published. All
requests are written several times, as further decisions on the same accounts: once would be over too soon.
"""

import asyncio
import json
import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic
from uuid import UUID

import asyncpg
import uvloop

from benchmarks.arguments import workload_of
from benchmarks.expected import request_of
from benchmarks.workload import TARGET_ID, Workload
from unenroll.core.events import EventId
from unenroll.settings import DatabaseSettings, read_settings
from unenroll.wire.encode import event_uuid

_BATCH = 1000
_FACT_BYTES = 40
_ROUNDS = 5
_NEW = 2
_TABLES = """
create table accounts (
    customer_id bigint not null, target_id bigint not null, decisions bigint not null, facts bytea not null,
    primary key (customer_id, target_id)
) with (fillfactor = 80);
create table ledger (
    customer_id bigint not null, event_key uuid not null, event_time timestamptz not null, content_hash bytea not null,
    target_id bigint not null, outcome smallint not null, decision bigint not null, decided_at timestamptz not null,
    lane_id integer not null, sequence bigint not null, "offset" bigint not null,
    primary key (customer_id, event_key)
);
"""
_FILL = """
insert into accounts select customer_id, $1, 4, decode(repeat('5a', $2), 'hex')
from generate_series(1, $3::integer) as customer_id
"""
_LOADED = """
insert into ledger
select customer_id, gen_random_uuid(), now(), decode(repeat('5a', 32), 'hex'), $3, 1, decision, now(), 1,
       decision, decision
from generate_series(1, $1::integer) as customer_id cross join generate_series(1, $2::integer) as decision
"""
_UPDATE = """
update accounts as account set decisions = moved.decisions, facts = moved.facts
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[]) as moved (customer_id, target_id, decisions, facts)
where account.customer_id = moved.customer_id and account.target_id = moved.target_id
"""
_LEDGER = (
    *("customer_id", "event_key", "event_time", "content_hash", "target_id", "outcome", "decision", "decided_at"),
    *("lane_id", "sequence", "offset"),
)
_COUNT = "select count(*) from ledger where outcome = $1"


Rows = list[tuple[object, ...]]
Batch = tuple[Rows, tuple[list[object], ...]]


async def work(database_url: str, workload: Workload) -> None:
    """Fill, say so, wait for a line, write everything, and print the seconds as JSON."""
    connections = [await asyncpg.connect(database_url) for _ in range(2)]
    await connections[0].execute(_TABLES)
    await connections[0].execute(_FILL, TARGET_ID, _FACT_BYTES * (1 + workload.rewards), workload.customers)
    await connections[0].execute(_LOADED, workload.customers, 1 + workload.rewards, TARGET_ID)
    await connections[0].execute("vacuum analyze")
    await connections[0].execute("checkpoint")
    batches = [batch for number in range(_ROUNDS) for batch in _batches(workload, number)]
    print("ready", flush=True)
    sys.stdin.readline()
    began = monotonic()
    await asyncio.gather(*(_write(one, batches[turn::2]) for turn, one in enumerate(connections)))
    seconds = monotonic() - began
    written = await connections[0].fetchval(_COUNT, _NEW)
    if written != _ROUNDS * workload.requests:
        raise SystemExit(f"{written} rows in the ledger, not {_ROUNDS * workload.requests}")
    print(json.dumps({"seconds": seconds, "requests": written}), flush=True)
    sys.stdin.readline()


async def _write(connection: asyncpg.Connection, batches: Sequence[Batch]) -> None:
    for ledger, moved in batches:
        async with connection.transaction():
            await connection.copy_records_to_table("ledger", records=ledger, columns=_LEDGER)
            await connection.execute(_UPDATE, *moved)


def _batches(workload: Workload, number: int) -> list[Batch]:
    source, decision = f"/round/{number}", 2 + workload.rewards + number
    now = datetime.now(UTC)
    requests = [request_of(message) for _, message in workload.measured(1)]
    facts = secrets.token_bytes(_FACT_BYTES * (2 + workload.rewards))
    batches = []
    for begin in range(0, len(requests), _BATCH):
        held = requests[begin : begin + _BATCH]
        ledger: Rows = [
            (
                *(one.customer_id, UUID(event_uuid(EventId(one.key.id, source))), one.time),
                *(secrets.token_bytes(32), TARGET_ID, _NEW, decision, now, 1, begin + place, begin + place),
            )
            for place, one in enumerate(held)
        ]
        moved = zip(*((one.customer_id, one.target_id, decision, facts) for one in held), strict=True)
        batches.append((ledger, tuple(list(column) for column in moved)))
    return batches


if __name__ == "__main__":
    uvloop.run(work(read_settings(DatabaseSettings).database_url.get_secret_value(), workload_of(__doc__)))
