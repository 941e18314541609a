"""Tables with many rows, made by Postgres."""

import asyncpg

ROWS = 40_000

_STATEMENTS = f"""
insert into lanes (topic_prefix, group_id, partition, published)
select 't.', 'g', number, 1000000 from generate_series(0, 15) as number;

insert into ledger (customer_id, event_key, event_type, content_version, content_hash, event_time, target_id, outcome,
                    decision, lane_id, sequence, topic_id, partition, "offset", decided_at)
select number / 2, gen_random_uuid(), 'UnenrollRequested', 1, '\\x01', now(), 21, 'UNENROLLED', 1, 1 + number % 16,
       number / 16, 'id', number % 16, number / 16, now() - interval '100 days'
from generate_series(1, {ROWS}) as number;

insert into api_requests (request_id, caller, event_type, fingerprint, customer_id, target_id, event_key, event_time,
                          data, created_at)
select gen_random_uuid(), 'crm', event_type, content_hash, customer_id, target_id, event_key, now(), '{{}}',
       now() - interval '1 hour'
from ledger;

insert into dead_letters
select 't.facts', decode(md5(number::text), 'hex'), 'schema', '', 1 + number % 16, number / 16, 'id', number % 16,
       number / 16, 0, now() - interval '100 days'
from generate_series(1, {ROWS}) as number;

insert into handled_letters select topic, digest, row_number() over (), 'somebody' from dead_letters;

insert into publications
select 1 + number % 16, (number / 16 + 1) * 10, number / 16 * 10 + 1, '\\x00', now() - interval '100 days'
from generate_series(0, {ROWS} - 1) as number;

insert into definition_refusals
select 'id', 0, number, 11, number, 'schema', '', now() + number * interval '1 second'
from generate_series(1, {ROWS}) as number;

insert into accounts select number, 21, 1, number % 2 = 0, '[]' from generate_series(1, {ROWS}) as number;

insert into erased_customers select -number, now(), now() from generate_series(1, {ROWS}) as number;

analyze;
"""  # noqa: S608 - our number


async def fill(connection: asyncpg.Connection) -> None:
    """Fill each table that grows with `ROWS` rows, and analyze it."""
    await connection.execute(_STATEMENTS)
