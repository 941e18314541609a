-- next_customers: select the next customers from this id on, who have an account or an event in the ledger
select customer_id
from (
    (select distinct customer_id from accounts where customer_id >= $1 order by customer_id limit $2)
    union
    (select distinct customer_id from ledger where customer_id >= $1 order by customer_id limit $2)
) as either
order by customer_id
limit $2;

-- facts_sizes: select the bytes of the facts of customers, without reading the facts
select customer_id, sum(octet_length(facts)) as bytes
from accounts
where customer_id = any($1::bigint[])
group by customer_id;

-- estimate_accounts: estimate the number of accounts
select greatest(reltuples, 0)::bigint from pg_class where oid = 'accounts'::regclass;

-- accounts_of_customers: select the accounts of customers, without a lock
select customer_id, target_id, decisions, waits, facts
from accounts
where customer_id = any($1::bigint[])
order by customer_id, target_id;

-- receipts_of: select the rows of the ledger of customers
select customer_id, target_id, event_key, event_type, content_version, content_hash, outcome::text, decision
from ledger
where customer_id = any($1::bigint[]);

-- oldest_publication: select the time of the oldest decision in the outbox, the first one of a lane
select min(decided_at)
from lanes
cross join lateral (
    select decided_at from publications where publications.lane_id = lanes.lane_id order by last_sequence limit 1
) as first_batch;
