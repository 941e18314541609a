-- keep_request: keep a request of the HTTP API, unless it is kept already or its customer was erased after it
with erased as (
    select until from erased_customers where customer_id = $5 and until >= $11
), kept as (
    insert into api_requests
        (request_id, caller, event_type, fingerprint, customer_id, target_id, event_key, event_time, traceparent, data)
    select $1::uuid, $2::text, $3::text, $4::bytea, $5, $6::bigint, $7::uuid, $8::timestamptz, $9::text, $10::text
    where not exists (select from erased)
    on conflict (request_id) do nothing
    returning request_id
)
select exists (select from kept) as kept, (select until from erased) as erased_until;

-- kept_request: a request of the HTTP API, as it was kept
select request_id, caller, event_type, fingerprint, customer_id, target_id, event_key, event_time, traceparent, data
from api_requests
where request_id = $1;

-- undecided_requests: requests of the HTTP API that the ledger does not know, some of them, in the order of their ids
select request_id, caller, event_type, fingerprint, customer_id, target_id, event_key, event_time, traceparent, data
from api_requests as kept
where request_id > $1 and created_at < $2
  and not exists (
      select from ledger where ledger.customer_id = kept.customer_id and ledger.event_key = kept.event_key
  )
order by request_id
limit $3;

-- keep_answer: what an enrollment is answered, unless it was answered before; returns what holds
update api_requests set answer = coalesce(answer, $2) where request_id = $1 returning answer;

-- fates_of: the events that are done: decided, a dead letter, or let go because the customer was erased after them
select sought.place, ledger.outcome::text as outcome, dead.reason, dead.detail,
       case when ledger.event_type is null and dead.reason is null then erased.until end as erased_until
from unnest($1::bigint[], $2::uuid[], $3::text[], $4::bytea[], $5::timestamptz[])
     with ordinality as sought (customer_id, event_key, topic, digest, happened, place)
left join ledger using (customer_id, event_key)
left join dead_letters as dead on ledger.event_type is null and (dead.topic, dead.digest) = (sought.topic, sought.digest)
left join erased_customers as erased on erased.customer_id = sought.customer_id and erased.until >= sought.happened
where ledger.event_type is not null or dead.reason is not null or erased.until is not null;

-- prunable_api_requests: how many calls in these blocks are old, and will not be in the ledger any more
select count(*) from api_requests as kept
where ctid >= $1::tid and ctid < $2::tid and created_at < $3
  and not exists (
      select from ledger
      where ledger.customer_id = kept.customer_id and ledger.event_key = kept.event_key
        and (decided_at >= $3 or lane_id <> all($4::integer[]) or exists (
            select from unnest($5::text[], $6::integer[], $7::bigint[]) as held (topic_id, partition, first)
            where held.topic_id = ledger.topic_id and held.partition = ledger.partition
              and ledger."offset" >= held.first
        ))
  );

-- prune_api_requests: forget them
with gone as (
    delete from api_requests as kept
    where ctid >= $1::tid and ctid < $2::tid and created_at < $3
      and not exists (
          select from ledger
          where ledger.customer_id = kept.customer_id and ledger.event_key = kept.event_key
            and (decided_at >= $3 or lane_id <> all($4::integer[]) or exists (
                select from unnest($5::text[], $6::integer[], $7::bigint[]) as held (topic_id, partition, first)
                where held.topic_id = ledger.topic_id and held.partition = ledger.partition
                  and ledger."offset" >= held.first
            ))
      )
    returning 1
)
select count(*) from gone;

-- ping: whether anybody answers
select 1;
