-- Customers who were erased on request. What happened to them up to `until` is not taken from anywhere any more.
create table erased_customers (
    customer_id bigint primary key,
    erased_at   timestamptz not null,
    until       timestamptz not null
);

-- What was decided of all of them, in sums, so that what is counted stays what it was.
create table erased_counts (
    lane_id    integer not null, -- 0: loaded
    event_type text not null,    -- '': what could not be read or placed
    became     text not null,    -- the outcome of a request, the reason of a dead letter, '' of a fact
    count      bigint not null,
    primary key (lane_id, event_type, became)
);

-- Batches that may still hold bytes of a customer who was erased, until they were looked through.
create table erased_batches (
    customer_id   bigint not null,
    lane_id       integer not null,
    last_sequence bigint not null,
    primary key (customer_id, lane_id, last_sequence)
);
