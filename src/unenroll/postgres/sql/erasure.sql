-- lock_erasures: select which customers were erased, and block new erasures until the transaction ends
select customer_id, until from erased_customers where customer_id = any($1::bigint[]) for key share;

-- read_erasures: select which customers were erased, without a lock
select customer_id, until from erased_customers where customer_id = any($1::bigint[]);

-- tombstone: select the erasure of a customer
select erased_at, until from erased_customers where customer_id = $1;

-- limit_erasure_lock_wait: limit how long an erasure waits for a lock, since new batches wait behind it
set local lock_timeout = '2s';

-- lock_out_batches: wait for all running batches, and block new ones until the transaction ends
lock table erased_customers in exclusive mode;

-- erase_customer: record an erasure up to now, or up to a later event time in the ledger, at most a day from now
insert into erased_customers as existing (customer_id, erased_at, until)
select $1, now(), greatest(now(), least(coalesce(max(event_time), now()), now() + interval '1 day'))
from ledger
where customer_id = $1
on conflict (customer_id) do update
set erased_at = excluded.erased_at, until = greatest(existing.until, excluded.until)
returning erased_at, until;

-- customer_batches: select the batches in the outbox that decided events of a customer
select distinct batch.lane_id, batch.last_sequence
from ledger
cross join lateral (
    select lane_id, last_sequence, first_sequence
    from publications
    where publications.lane_id = ledger.lane_id and last_sequence >= ledger.sequence
    order by last_sequence
    limit 1
) as batch
where ledger.customer_id = $1 and batch.first_sequence <= ledger.sequence;

-- save_batches_to_rewrite: save the batches that may contain messages of an erased customer
insert into erased_batches (customer_id, lane_id, last_sequence)
select $1, * from unnest($2::integer[], $3::bigint[])
on conflict do nothing;

-- batches_to_rewrite: select the saved batches that may contain messages of an erased customer
select lane_id, last_sequence from erased_batches where customer_id = $1;

-- finish_batch: record that a batch contains no message of an erased customer any more
delete from erased_batches where customer_id = $1 and lane_id = $2 and last_sequence = $3;

-- batches_of_letters: select the next dead letters by key, each with its batch in the outbox, if that is there
select letter.topic, letter.digest, batch.lane_id, batch.last_sequence
from (
    select topic, digest, lane_id, sequence
    from dead_letters
    where (topic, digest) > ($1, $2)
    order by topic, digest
    limit $3
) as letter
left join lateral (
    select lane_id, last_sequence, first_sequence
    from publications
    where publications.lane_id = letter.lane_id and last_sequence >= letter.sequence
    order by last_sequence
    limit 1
) as batch on batch.first_sequence <= letter.sequence
order by letter.topic, letter.digest;

-- lock_batch: select the packed messages of a batch and lock its row
select outputs from publications where lane_id = $1 and last_sequence = $2 for update;

-- read_batch: select the packed messages of a batch
select outputs from publications where lane_id = $1 and last_sequence = $2;

-- replace_batch: replace the packed messages of a batch
update publications set outputs = $3 where lane_id = $1 and last_sequence = $2;

-- delete_batch: delete a batch
delete from publications where lane_id = $1 and last_sequence = $2;

-- count_accounts: count the accounts of a customer
select count(*) from accounts where customer_id = $1;

-- count_ledger: count the events of a customer in the ledger
select count(*) from ledger where customer_id = $1;

-- count_api_requests: count the stored API requests of a customer
select count(*) from api_requests where customer_id = $1;

-- count_replays: count the replays whose selection names a customer
select count(*) from replays where (selection::jsonb -> 'customers') @> to_jsonb($1::bigint);

-- erase_accounts: delete the accounts of a customer
with deleted as (delete from accounts where customer_id = $1 returning 1) select count(*) from deleted;

-- erase_ledger: delete the events of a customer from the ledger, and add them to the counts
with deleted as (
    delete from ledger where customer_id = $1 returning lane_id, event_type, outcome
), counted as (
    insert into erased_counts as existing (lane_id, event_type, result, count)
    select coalesce(lane_id, 0), event_type, coalesce(outcome::text, ''), count(*) from deleted group by 1, 2, 3
    on conflict (lane_id, event_type, result) do update set count = existing.count + excluded.count
)
select count(*) from deleted;

-- erase_api_requests: delete the stored API requests of a customer
with deleted as (delete from api_requests where customer_id = $1 returning 1) select count(*) from deleted;

-- erase_replays: delete the replays whose selection names a customer
with deleted as (
    delete from replays where (selection::jsonb -> 'customers') @> to_jsonb($1::bigint) returning 1
)
select count(*) from deleted;

-- erase_letter: delete a dead letter, and add it to the counts
with deleted as (
    delete from dead_letters
    where topic = $1 and (digest = $2 or (partition = $3 and "offset" = $4 and reason = $5))
    returning lane_id, reason
), counted as (
    insert into erased_counts as existing (lane_id, event_type, result, count)
    select lane_id, '', reason, count(*) from deleted group by 1, 3
    on conflict (lane_id, event_type, result) do update set count = existing.count + excluded.count
)
select count(*) from deleted;

-- erase_handled_letter: delete what was done about a dead letter
with deleted as (delete from handled_letters where topic = $1 and digest = $2 returning 1) select count(*) from deleted;

-- count_letter: count the rows of a dead letter
select count(*) from dead_letters
where topic = $1 and (digest = $2 or (partition = $3 and "offset" = $4 and reason = $5));

-- count_handled_letter: count what was done about a dead letter
select count(*) from handled_letters where topic = $1 and digest = $2;

-- all_lanes: select the lanes of all groups with their last published decisions
select lane_id, topic_prefix, group_id, partition, published from lanes;
