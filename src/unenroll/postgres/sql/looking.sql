-- counting_takes_time: longer than any statement of a lane may
set local statement_timeout = '60s';

-- group_lanes: the lanes of a group
select partition, epoch, sequence, published, topics, topic_ids, positions, updated_at
from lanes
where topic_prefix = $1 and group_id = $2
order by partition;

-- event_counts: how many events of each type, and how many requests with each outcome, were decided
select event_type, outcome, sum(count)::bigint as count
from (
    select event_type, outcome::text, count(*) from ledger group by event_type, ledger.outcome
    union all
    select event_type, nullif(became, ''), count from erased_counts where event_type <> ''
) as counted
group by event_type, outcome
order by event_type, outcome::outcome;

-- dead_letter_counts: how many contents were dead-lettered for each reason
select reason, sum(count)::bigint as count
from (
    select reason, count(*) from dead_letters group by reason
    union all
    select became, count from erased_counts where event_type = ''
) as counted
group by reason
order by reason;

-- erased_customers_count: how many customers were erased
select count(*) from erased_customers;

-- definitions_told: what is defined, without the cycles and targets themselves
select group_id, version, accepted_at, definition::json ->> 'name' as name,
       (definition::json ->> 'active')::boolean as active,
       json_array_length(definition::json -> 'cycles') as cycles,
       json_array_length(definition::json -> 'targets') as targets
from target_groups
order by group_id;

-- settlements_due_count: how many accounts wait to be settled again
select count(*) from settlements_due;

-- latest_refusals: the definitions that were refused last
select group_id, version, reason, detail, topic_id, partition, "offset", refused_at
from definition_refusals
order by refused_at desc, topic_id, partition, "offset" desc
limit $1;

-- see_accounts: accounts as they are, not locked
select customer_id, target_id, decisions, waits, facts
from accounts
where (customer_id, target_id) in (select * from unnest($1::bigint[], $2::bigint[]));

-- database_identity: which database this is, on which cluster of servers
select system_identifier || '/' || pg_database.oid
from pg_control_system() cross join pg_database
where datname = current_database();

-- nobody_reads: whether there are lanes, and none of them has ever read a topic with this id
select exists (select from lanes where topic_ids <> '{}') and not exists (select from lanes where $1 = any(topic_ids));

-- only_one: whether nobody else does this, and from now on until its end only this session does
select pg_try_advisory_lock(hashtextextended('unenroll ' || $1, 0));

-- decided_requests: what lanes have decided of these requests
select customer_id, event_key, outcome::text, decision, lane_id, sequence
from ledger
where (customer_id, event_key) in (select * from unnest($1::bigint[], $2::uuid[])) and outcome is not null;

-- publications_of: what the batches published that made these decisions
select distinct on (held.lane_id, held.last_sequence) held.outputs
from unnest($1::integer[], $2::bigint[]) as wanted (lane_id, sequence)
cross join lateral (
    select lane_id, last_sequence, first_sequence, outputs
    from publications
    where publications.lane_id = wanted.lane_id and last_sequence >= wanted.sequence
    order by last_sequence
    limit 1
) as held
where held.first_sequence <= wanted.sequence;
