-- erased_among: which of these customers were erased; nobody is erased from now on until the transaction ends
select customer_id, until from erased_customers where customer_id = any($1::bigint[]) for key share;

-- erased_seen: which of these customers were erased, up to now
select customer_id, until from erased_customers where customer_id = any($1::bigint[]);

-- erased_customer: when a customer was erased
select erased_at, until from erased_customers where customer_id = $1;

-- erasing_waits_little: whoever waits behind an erasure does not wait for longer than that
set local lock_timeout = '2s';

-- erase_alone: wait for all batches in hand, and let no other one begin before the transaction ends
lock table erased_customers in exclusive mode;

-- erase_customer: from now on nothing up to now is taken, nor up to a later time that the ledger has, of a day at most
insert into erased_customers as known (customer_id, erased_at, until)
select $1, now(), greatest(now(), least(coalesce(max(event_time), now()), now() + interval '1 day'))
from ledger
where customer_id = $1
on conflict (customer_id) do update
set erased_at = excluded.erased_at, until = greatest(known.until, excluded.until)
returning erased_at, until;

-- concerned_batches: the batches that decided events of a customer, as far as they are kept
select distinct held.lane_id, held.last_sequence
from ledger
cross join lateral (
    select lane_id, last_sequence, first_sequence
    from publications
    where publications.lane_id = ledger.lane_id and last_sequence >= ledger.sequence
    order by last_sequence
    limit 1
) as held
where ledger.customer_id = $1 and held.first_sequence <= ledger.sequence;

-- note_batches: the batches that are to be looked through
insert into erased_batches (customer_id, lane_id, last_sequence)
select $1, * from unnest($2::integer[], $3::bigint[])
on conflict do nothing;

-- noted_batches: the batches that are still to be looked through
select lane_id, last_sequence from erased_batches where customer_id = $1;

-- batch_done: a batch holds nothing of the customer any more
delete from erased_batches where customer_id = $1 and lane_id = $2 and last_sequence = $3;

-- batches_with_letters: the batches that put something aside, as far as they are kept
select distinct held.lane_id, held.last_sequence
from dead_letters
cross join lateral (
    select lane_id, last_sequence, first_sequence
    from publications
    where publications.lane_id = dead_letters.lane_id and last_sequence >= dead_letters.sequence
    order by last_sequence
    limit 1
) as held
where held.first_sequence <= dead_letters.sequence;

-- hold_batch: the bytes of a batch, to be written anew
select outputs from publications where lane_id = $1 and last_sequence = $2 for update;

-- see_batch: the bytes of a batch
select outputs from publications where lane_id = $1 and last_sequence = $2;

-- rewrite_batch: the bytes of a batch, less what is erased
update publications set outputs = $3 where lane_id = $1 and last_sequence = $2;

-- forget_batch: nothing is left of the bytes of a batch
delete from publications where lane_id = $1 and last_sequence = $2;

-- count_accounts: how many accounts a customer has
select count(*) from accounts where customer_id = $1;

-- count_ledger: how many events the ledger has of a customer
select count(*) from ledger where customer_id = $1;

-- count_api_requests: how many calls are kept of a customer
select count(*) from api_requests where customer_id = $1;

-- count_settlements_due: how many accounts of a customer wait to be settled again
select count(*) from settlements_due where customer_id = $1;

-- count_replays: how many replays were asked for of a customer
select count(*) from replays where (selection::jsonb -> 'customers') @> to_jsonb($1::bigint);

-- erase_accounts: forget a customer's accounts
with gone as (delete from accounts where customer_id = $1 returning 1) select count(*) from gone;

-- erase_ledger: forget what was decided of a customer, but how often which outcome
with gone as (
    delete from ledger where customer_id = $1 returning lane_id, event_type, outcome
), counted as (
    insert into erased_counts as known (lane_id, event_type, became, count)
    select coalesce(lane_id, 0), event_type, coalesce(outcome::text, ''), count(*) from gone group by 1, 2, 3
    on conflict (lane_id, event_type, became) do update set count = known.count + excluded.count
)
select count(*) from gone;

-- erase_api_requests: forget a customer's calls
with gone as (delete from api_requests where customer_id = $1 returning 1) select count(*) from gone;

-- erase_settlements_due: forget that a customer's accounts were to be settled again
with gone as (delete from settlements_due where customer_id = $1 returning 1) select count(*) from gone;

-- erase_replays: forget replays that were asked for of a customer
with gone as (
    delete from replays where (selection::jsonb -> 'customers') @> to_jsonb($1::bigint) returning 1
)
select count(*) from gone;

-- erase_letter: forget that a content was put aside, but how often for which reason
with gone as (
    delete from dead_letters
    where topic = $1 and (digest = $2 or (partition = $3 and "offset" = $4 and reason = $5))
    returning lane_id, reason
), counted as (
    insert into erased_counts as known (lane_id, event_type, became, count)
    select lane_id, '', reason, count(*) from gone group by 1, 3
    on conflict (lane_id, event_type, became) do update set count = known.count + excluded.count
)
select count(*) from gone;

-- erase_handled_letter: forget what was done about a dead letter
with gone as (delete from handled_letters where topic = $1 and digest = $2 returning 1) select count(*) from gone;

-- count_letter: how many contents were put aside that are this one
select count(*) from dead_letters
where topic = $1 and (digest = $2 or (partition = $3 and "offset" = $4 and reason = $5));

-- count_handled_letter: whether something was done about a dead letter
select count(*) from handled_letters where topic = $1 and digest = $2;

-- all_lanes: the lanes of all groups, and how far they are known to have published
select lane_id, topic_prefix, group_id, partition, published from lanes;
