-- limit_count: limit how long a count may take
select set_config('statement_timeout', $1, true);

-- estimated_rows: select the number of rows that the last vacuum or analyze has estimated; null: there was none
select nullif(reltuples, -1)::bigint from pg_class where oid = to_regclass($1);

-- lane_rows: select the lanes of a group
select partition, epoch, sequence, published, topics, topic_ids, positions, updated_at
from lanes
where topic_prefix = $1 and group_id = $2
order by partition;

-- event_counts: count the decided events by type, and requests by outcome
select event_type, outcome, sum(count)::bigint as count
from (
    select event_type, outcome::text, count(*) from ledger group by event_type, ledger.outcome
    union all
    select event_type, nullif(result, ''), count from erased_counts where event_type <> ''
) as counted
group by event_type, outcome
order by event_type, outcome::outcome;

-- dead_letter_counts: count the dead letters by reason
select reason, sum(count)::bigint as count
from (
    select reason, count(*) from dead_letters group by reason
    union all
    select result, count from erased_counts where event_type = ''
) as counted
group by reason
order by reason;

-- erased_customers_count: count the erased customers
select count(*) from erased_customers;

-- definition_summaries: select the next target groups from this id on, with the numbers of their cycles and targets
select group_id, version, accepted_at, definition::json ->> 'name' as name,
       (definition::json ->> 'active')::boolean as active,
       json_array_length(definition::json -> 'cycles') as cycles,
       json_array_length(definition::json -> 'targets') as targets
from target_groups
where group_id >= $1
order by group_id
limit $2;

-- resettlements: select the groups whose waiting accounts are still to be settled again
select group_id from resettlements order by group_id;

-- latest_refusals: select the latest refused definitions
select group_id, version, reason, detail, topic_id, partition, "offset", refused_at
from definition_refusals
order by refused_at desc, topic_id, partition, "offset" desc
limit $1;
