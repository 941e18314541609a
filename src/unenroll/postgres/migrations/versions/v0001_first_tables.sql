-- The oldest program that works with these tables: the version of the tables that it was written for.
create table oldest_program (version text not null);
insert into oldest_program values ('0001');

-- Target groups and targets from topic `definitions`. The first group that defines a target owns it.
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
create index targets_of_group on targets (group_id, target_id);

-- Refused definitions, one row per record of the topic.
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
create index latest_definition_refusals on definition_refusals (refused_at);

-- Groups whose accounts have to be settled again, because a definition has appended cycles. The SettlementDue events of
-- the waiting accounts are published in the order of target and customer; these are published up to the account here.
create table resettlements (
    group_id    bigint primary key references target_groups,
    target_id   bigint not null default 0,
    customer_id bigint not null default 0
);

-- How far topic `definitions` is stored, so that a worker that starts reads only what is new.
create table definition_positions (
    topic_id  text not null,
    partition integer not null,
    position  bigint not null, -- the next offset to store
    primary key (topic_id, partition)
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

-- One customer in one target: the facts and their last settlement. The worker reads and writes an account as a whole,
-- so it is one row: `facts` is one JSON text of arrays (postgres/account_codec.py). The views below show single facts.
create table accounts (
    customer_id bigint not null,
    target_id   bigint not null,
    decisions   bigint not null default 0,      -- the number of decisions on the account
    waits       boolean not null default false, -- appended cycles may change the account
    facts       text not null,
    primary key (customer_id, target_id)
) with (
    -- A decision rewrites the row. With a fifth of each page free, the new row fits beside the old one, so that no index
    -- changes and Postgres reuses the space without a vacuum. In a test with rows of 600 bytes, a tenth was not enough.
    fillfactor = 80,
    -- A row of more than 2 kB is in the TOAST table, which only a vacuum makes smaller, and each decision writes it there
    -- again as a whole. Under steady rewrites a table grew by 26 % with the default 0.2, by 10 % with 0.02.
    autovacuum_vacuum_scale_factor = 0.02,
    toast.autovacuum_vacuum_scale_factor = 0.02,
    -- `verify` shows its progress by the number of rows that the last analyze has estimated.
    autovacuum_analyze_scale_factor = 0.02
);
create index accounts_that_wait on accounts (target_id, customer_id) where waits;

-- Views for people, and for queries over all accounts.
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
       -- the leave that governs the reward now, and the leave of its last cancellation
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
from accounts
cross join lateral json_each_text(facts::json -> 5) with ordinality as listed (reward_id, issued_at, place);

-- One row per lane: the positions that it has decided up to, and its last published decision (a lower bound).
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
    partition_counts integer[] not null default '{}', -- of each topic, when a worker opened the lane
    positions        bigint[] not null default '{}',  -- of each topic, the next offset to decide
    updated_at       timestamptz not null default now(),
    owner_version    text, -- the version of the tables that the owner was written for; null: no owner
    unique (topic_prefix, group_id, partition)
) with (fillfactor = 50);

-- One row per inbound event, however often it is read: its content and the decision.
create table ledger (
    customer_id     bigint not null,
    event_key       uuid not null,
    event_type      text not null,
    content_version smallint not null,
    content_hash    bytea not null,
    event_time      timestamptz,
    target_id       bigint not null,
    outcome         outcome,
    decision        bigint,  -- its number among the decisions on the account; null: it left no fact
    lane_id         integer, -- null: from `unenroll load`, not from a topic
    sequence        bigint,  -- its number among the decisions of the lane
    topic_id        text,
    partition       integer,
    "offset"        bigint,
    decided_at      timestamptz not null,
    primary key (customer_id, event_key)
);

-- The outbox: one row per batch with its messages, until `unenroll prune` deletes it.
create table publications (
    lane_id        integer not null references lanes,
    last_sequence  bigint not null,
    first_sequence bigint not null,
    outputs        bytea not null,
    decided_at     timestamptz not null,
    primary key (lane_id, last_sequence)
);
alter table publications alter column outputs set storage external;

-- Dead letters: records that the worker cannot read or decide, one row per content.
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
create index dead_letters_by_offset on dead_letters (topic, partition, "offset"); -- for `unenroll erase`

-- The redrives of dead letters, one at a time per topic prefix. `batch` is the number of the last transaction,
-- `published` that of the last one which is known to be committed.
create table redrives (
    topic_prefix text primary key,
    epoch        bigint not null default 0,
    batch        bigint not null default 0,
    published    bigint not null default 0
);

-- Dead letters that were redriven to their topic or parked, one row per content.
create table handled_letters (
    topic      text not null,
    digest     bytea not null,
    batch      bigint, -- the transaction that sends it; null: it is parked
    handled_by text not null,
    handled_at timestamptz not null default now(),
    why        text,
    primary key (topic, digest)
);
create index handled_letters_by_batch on handled_letters (topic, batch);

-- Changes of committed offsets. `done_at` null: interrupted, and Kafka may have the offsets before or after it.
create table offset_changes (
    change_id    bigint generated always as identity primary key,
    topic_prefix text not null,
    group_id     text not null,
    changed_by   text not null,
    why          text not null,
    topics       text[] not null,
    partitions   integer[] not null,
    committed    bigint[] not null, -- before; null: none
    offsets      bigint[] not null, -- after
    asked_at     timestamptz not null default now(),
    done_at      timestamptz
);

-- Replays that publish decisions again: the selection, and the last decision of each lane to replay. Kafka stores the
-- progress together with the published messages.
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

-- Requests of the HTTP API, stored before they are published. The event is made from the row, so that a repeated
-- request publishes the same event.
create table api_requests (
    request_id  uuid primary key, -- from the caller and its Idempotency-Key, or else random; also the id of the event
    caller      text not null,
    event_type  text not null,
    fingerprint bytea not null,   -- of the content: the same key with other content is refused
    customer_id bigint not null,
    target_id   bigint not null,
    event_key   uuid not null,    -- the key of the event in the ledger
    event_time  timestamptz not null,
    traceparent text,
    data        text not null,    -- the data of the event, as JSON
    answer      text,             -- the first answer to an enrollment; that to a leave is in the ledger
    created_at  timestamptz not null default now()
);
create index api_requests_of_customer on api_requests (customer_id); -- for `unenroll erase`, which blocks all batches

-- Customers who were erased on request. Unenroll ignores all events of theirs up to `until`.
create table erased_customers (
    customer_id bigint primary key,
    erased_at   timestamptz not null,
    until       timestamptz not null
);

-- The numbers of erased rows, so that counts stay the same after an erasure.
create table erased_counts (
    lane_id    integer not null, -- 0: from `unenroll load`
    event_type text not null,    -- '': dead letters
    result     text not null,    -- the outcome of a request, the reason of a dead letter, or '' for a fact
    count      bigint not null,
    primary key (lane_id, event_type, result)
);

-- Batches that may contain messages of an erased customer, until they are checked.
create table erased_batches (
    customer_id   bigint not null,
    lane_id       integer not null,
    last_sequence bigint not null,
    primary key (customer_id, lane_id, last_sequence)
);
