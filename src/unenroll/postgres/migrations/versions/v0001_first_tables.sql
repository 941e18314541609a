-- The oldest program that works with these tables, by the version of the tables that it was written for.
create table oldest_program (version text not null);
insert into oldest_program values ('0001');

-- What is defined upstream. A target belongs to the first group that defined it.
create table target_groups (
    group_id    bigint primary key,
    version     bigint not null,
    definition  text not null,
    accepted_at timestamptz not null default now()
);

create table targets (
    target_id bigint primary key,
    group_id  bigint not null references target_groups
);

-- Definitions that were refused, each record of the topic once.
create table definition_refusals (
    topic_id   text not null,
    partition  integer not null,
    "offset"   bigint not null,
    group_id   bigint,
    version    bigint,
    reason     text not null,
    detail     text not null,
    refused_at timestamptz not null default now(),
    primary key (topic_id, partition, "offset")
);

-- Accounts that appended cycles concern, until the lanes are told.
create table settlements_due (
    customer_id bigint not null,
    target_id   bigint not null,
    group_id    bigint not null,
    version     bigint not null,
    due_at      timestamptz not null,
    primary key (customer_id, target_id, group_id, version)
);

create type outcome as enum (
    'INVALID_CUSTOMER', 'GROUP_NOT_FOUND', 'TARGET_NOT_FOUND', 'TARGET_NOT_IN_GROUP', 'EFFECTIVE_IN_FUTURE',
    'PLAN_STALE', 'NOT_ENROLLED', 'ALREADY_UNENROLLED', 'NOTHING_LEFT', 'UNENROLLED'
);
create type origin as enum ('EXPLICIT', 'AUTOMATIC');
create type allocation as enum ('IMMEDIATE', 'PERIOD_END');
create type reward_state as enum ('KEPT', 'CANCELLED');
create type reward_action as enum ('VOID', 'REVERSE');
create type reward_rule as enum (
    'NO_SPELL', 'ENROLLED', 'CYCLE_FINISHED', 'AFTER_UNENROLLMENT', 'ACHIEVED_BEFORE_UNENROLLMENT', 'CARRIED_ON',
    'PERIOD_END_LOST', 'ALREADY_ACHIEVED'
);

-- What is known of one customer in one target, and what it was last settled to. An account is read and written as a
-- whole, so it is one row: `facts` is one JSON text of arrays (postgres/account_codec.py). Only people ask for a single reward by
-- SQL: they have the views below.
create table accounts (
    customer_id bigint not null,
    target_id   bigint not null,
    decisions   bigint not null default 0,      -- how many decisions were made on the account
    waits       boolean not null default false, -- cycles appended to the group concern it
    facts       text not null,
    primary key (customer_id, target_id)
) with (fillfactor = 80);
create index accounts_that_wait on accounts (target_id) where waits;

-- For people, and for what counts over all accounts.
create view enrollments as
select customer_id, target_id, fact -> 0 ->> 0 as id, fact -> 0 ->> 1 as source,
       (fact ->> 1)::timestamptz as enrolled_at, (fact ->> 2)::integer as from_cycle,
       (fact ->> 3)::numeric as initial_balance, (fact ->> 4)::boolean as reset_streak_status,
       (fact ->> 5)::origin as origin, (facts::json -> 8 -> 0 ->> (place - 1)::integer)::timestamptz as seen_at
from accounts cross join lateral json_array_elements(facts::json -> 2) with ordinality as listed (fact, place);

create view leaves as
select customer_id, target_id, fact -> 0 ->> 0 as id, fact -> 0 ->> 1 as source,
       (fact ->> 1)::timestamptz as effective_at, fact ->> 2 as reason, fact ->> 3 as requested_by,
       (settled ->> 0)::outcome as outcome, (settled ->> 1)::integer as first_dropped,
       (facts::json -> 8 -> 1 ->> (place - 1)::integer)::timestamptz as seen_at
from accounts
cross join lateral json_array_elements(facts::json -> 3) with ordinality as listed (fact, place)
cross join lateral (select facts::json -> 6 -> (place - 1)::integer as settled) as now;

create view rewards as
select customer_id, target_id, fact ->> 0 as reward_id, (fact ->> 1)::integer as cycle,
       (fact ->> 2)::allocation as allocation, (fact ->> 3)::timestamptz as achieved_at,
       (fact ->> 4)::bigint as level, (fact -> 5 ->> 0)::numeric as amount, fact -> 5 ->> 1 as unit,
       (settled ->> 0)::reward_state as state, (settled ->> 1)::reward_rule as rule,
       (settled ->> 2)::reward_action as action, (settled ->> 3)::integer as revision,
       -- the leave that governs it now, and the one that was named when it was last cancelled
       facts::json -> 3 -> (settled ->> 4)::integer -> 0 ->> 0 as leave_id,
       facts::json -> 3 -> (settled ->> 4)::integer -> 0 ->> 1 as leave_source,
       facts::json -> 3 -> (settled ->> 5)::integer -> 0 ->> 0 as cancelled_id,
       facts::json -> 3 -> (settled ->> 5)::integer -> 0 ->> 1 as cancelled_source,
       (facts::json -> 8 -> 2 ->> (place - 1)::integer)::timestamptz as seen_at
from accounts
cross join lateral json_array_elements(facts::json -> 4) with ordinality as listed (fact, place)
cross join lateral (select facts::json -> 7 -> (place - 1)::integer as settled) as now;

create view issuances as
select customer_id, target_id, reward_id, issued_at::timestamptz as issued_at,
       (facts::json -> 8 -> 3 ->> (place - 1)::integer)::timestamptz as seen_at
from accounts cross join lateral json_each_text(facts::json -> 5) with ordinality as listed (reward_id, issued_at, place);

-- One row a lane: how far it has decided, and how far it is known to have published.
create table lanes (
    lane_id          integer generated always as identity primary key,
    topic_prefix     text not null,
    group_id         text not null,
    partition        integer not null,
    epoch            bigint not null default 0,
    sequence         bigint not null default 0,
    published        bigint not null default 0,
    topics           text[] not null default '{}',
    topic_ids        text[] not null default '{}',
    partition_counts integer[] not null default '{}', -- of each topic, when the lane was opened
    positions        bigint[] not null default '{}',  -- the next offset to decide
    updated_at       timestamptz not null default now(),
    owner_version    text, -- the version that the program which holds the lane was written for; null: none does
    unique (topic_prefix, group_id, partition)
) with (fillfactor = 50);

-- One row an event, at whatever offsets it is read: what it was and what was decided.
create table ledger (
    customer_id     bigint not null,
    event_key       uuid not null,
    event_type      text not null,
    content_version smallint not null,
    content_hash    bytea not null,
    event_time      timestamptz,
    target_id       bigint not null,
    outcome         outcome,
    decision        bigint,  -- its number among the decisions on the account; null where it left no fact
    lane_id         integer, -- null: loaded, not read from a topic
    sequence        bigint,  -- its number among the decisions of the lane
    topic_id        text,
    partition       integer,
    "offset"        bigint,
    decided_at      timestamptz not null,
    primary key (customer_id, event_key)
);

-- The bytes to publish, one row a batch, kept until pruned.
create table publications (
    lane_id        integer not null references lanes,
    last_sequence  bigint not null,
    first_sequence bigint not null,
    outputs        bytea not null,
    decided_at     timestamptz not null,
    primary key (lane_id, last_sequence)
);
alter table publications alter column outputs set storage external;

-- What could not be read or placed, once for each content.
create table dead_letters (
    topic      text not null,
    digest     bytea not null,
    reason     text not null,
    detail     text not null,
    lane_id    integer not null references lanes,
    sequence   bigint not null,
    topic_id   text not null,
    partition  integer not null,
    "offset"   bigint not null,
    redrives   integer not null,
    decided_at timestamptz not null,
    primary key (topic, digest)
);

-- Who puts dead letters back: one at a time for a topic prefix. `batch` numbers the transactions, `published` is a
-- lower bound of those that happened.
create table redrives (
    topic_prefix text primary key,
    epoch        bigint not null default 0,
    batch        bigint not null default 0,
    published    bigint not null default 0
);

-- What was done about a dead letter, once for each content: it was put back on its topic, or parked.
create table handled_letters (
    topic      text not null,
    digest     bytea not null,
    batch      bigint, -- the transaction that puts it back; null: it is parked
    handled_by text not null,
    handled_at timestamptz not null default now(),
    why        text,
    primary key (topic, digest)
);

-- Offsets that somebody has set. `done_at` null: it was broken off, and Kafka may say either.
create table offset_moves (
    move_id      bigint generated always as identity primary key,
    topic_prefix text not null,
    group_id     text not null,
    moved_by     text not null,
    why          text not null,
    topics       text[] not null,
    partitions   integer[] not null,
    committed    bigint[] not null, -- before; null where the group never did
    offsets      bigint[] not null, -- from now on
    asked_at     timestamptz not null default now(),
    done_at      timestamptz
);

-- Replays that publish again: what each was asked for, and up to which decision of each lane it goes. How far it is
-- stands in Kafka, with what it has published.
create table replays (
    replay_id    text primary key,
    topic_prefix text not null,
    group_id     text not null,
    selection    text not null,
    partitions   integer[] not null,
    lane_ids     integer[] not null,
    until        bigint[] not null,
    started_at   timestamptz not null default now(),
    finished_at  timestamptz
);

-- What came over HTTP, kept before it is published: the event is made of the row, so that it is the same however often
-- it is asked for.
create table api_requests (
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
