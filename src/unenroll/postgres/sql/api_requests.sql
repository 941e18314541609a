-- store_request: insert an API request, unless its id is stored or its customer was erased after its time
with erased as (
    select until from erased_customers where customer_id = $5 and until >= $11
), stored as (
    insert into api_requests
        (request_id, caller, event_type, fingerprint, customer_id, target_id, event_key, event_time, traceparent, data)
    select $1::uuid, $2::text, $3::text, $4::bytea, $5, $6::bigint, $7::uuid, $8::timestamptz, $9::text, $10::text
    where not exists (select from erased)
    on conflict (request_id) do nothing
    returning request_id
)
select exists (select from stored) as is_new, (select until from erased) as erased_until;

-- stored_request: select an API request
select request_id, caller, event_type, fingerprint, customer_id, target_id, event_key, event_time, traceparent, data
from api_requests
where request_id = $1;

-- request_page_end: select the last id of the next API requests; null: there are fewer
select request_id from api_requests where request_id > $1 order by request_id offset $2 - 1 limit 1;

-- undecided_requests: select those API requests of a page that the ledger lacks; `limit` prevents a scan of the ledger
select request_id, caller, event_type, fingerprint, customer_id, target_id, event_key, event_time, traceparent, data
from api_requests as request
left join lateral (
    select true as known from ledger
    where ledger.customer_id = request.customer_id and ledger.event_key = request.event_key
    limit 1
) as decided on true
where request_id > $1 and request_id <= $2 and created_at < $3 and decided.known is null;

-- store_answer: save the answer to an enrollment unless one is stored, and return the stored one
update api_requests set answer = coalesce(answer, $2) where request_id = $1 returning answer;

-- event_results: select the events with a result: a decision, a dead letter, or an erasure of the customer
select lookup.place, ledger.outcome::text as outcome, dead.reason, dead.detail,
       case when ledger.event_type is null and dead.reason is null then erased.until end as erased_until
from unnest($1::bigint[], $2::uuid[], $3::text[], $4::bytea[], $5::timestamptz[])
     with ordinality as lookup (customer_id, event_key, topic, digest, happened, place)
left join ledger using (customer_id, event_key)
left join dead_letters as dead
    on ledger.event_type is null and (dead.topic, dead.digest) = (lookup.topic, lookup.digest)
left join erased_customers as erased on erased.customer_id = lookup.customer_id and erased.until >= lookup.happened
where ledger.event_type is not null or dead.reason is not null or erased.until is not null;
