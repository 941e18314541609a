-- What came over HTTP, kept before it is published: the event is made of the row, so that it is the same however often
-- it is asked for.
create table front_door_requests (
    request_id  uuid primary key, -- of the caller and its Idempotency-Key, or else random; the event's id as well
    caller      text not null,
    event_type  text not null,
    fingerprint bytea not null,   -- of what was asked for: the same key for anything else is refused
    customer_id bigint not null,
    target_id   bigint not null,
    event_key   uuid not null,    -- by which the ledger knows the event
    event_time  timestamptz not null,
    traceparent text,
    data        text not null,    -- the event's data
    answer      text,             -- what an enrollment was answered first; a request's first outcome is in the ledger
    created_at  timestamptz not null default now()
);
