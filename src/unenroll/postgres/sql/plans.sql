-- database_identity: select a text that identifies this database and its cluster
select system_identifier || '/' || pg_database.oid
from pg_control_system() cross join pg_database
where datname = current_database();

-- reads_other_topics: whether there are lanes that have read topics, but none that has read this one
select exists (select from lanes where topic_ids <> '{}') and not exists (select from lanes where $1 = any(topic_ids));

-- decided_requests: select the decisions about those of the requests that lanes have decided
select customer_id, event_key, outcome::text, decision, lane_id, sequence
from ledger
where (customer_id, event_key) in (select * from unnest($1::bigint[], $2::uuid[])) and outcome is not null;

-- publications_of_decisions: select the batches that made these decisions
select distinct on (batch.lane_id, batch.last_sequence) batch.outputs
from unnest($1::integer[], $2::bigint[]) as decisions (lane_id, sequence)
cross join lateral (
    select lane_id, last_sequence, first_sequence, outputs
    from publications
    where publications.lane_id = decisions.lane_id and last_sequence >= decisions.sequence
    order by last_sequence
    limit 1
) as batch
where batch.first_sequence <= decisions.sequence;
