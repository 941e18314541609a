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

-- What is known of one customer in one target, and what it was last settled to.
create type outcome as enum (
    'INVALID_CUSTOMER', 'GROUP_NOT_FOUND', 'TARGET_NOT_FOUND', 'TARGET_NOT_IN_GROUP', 'EFFECTIVE_IN_FUTURE',
    'NOT_ENROLLED', 'ALREADY_UNENROLLED', 'NOTHING_LEFT', 'UNENROLLED'
);
create type origin as enum ('EXPLICIT', 'AUTOMATIC');
create type allocation as enum ('IMMEDIATE', 'PERIOD_END');
create type reward_state as enum ('KEPT', 'CANCELLED');
create type reward_action as enum ('VOID', 'REVERSE');
create type reward_rule as enum (
    'NO_SPELL', 'ENROLLED', 'CYCLE_FINISHED', 'AFTER_UNENROLLMENT', 'ACHIEVED_BEFORE_UNENROLLMENT', 'CARRIED_ON',
    'PERIOD_END_LOST', 'ALREADY_ACHIEVED'
);

create table accounts (
    customer_id bigint not null,
    target_id   bigint not null,
    decisions   bigint not null default 0,      -- how many decisions were made on the account
    revision    integer not null default 0,     -- how many UserUnenrolled were published of it
    waits       boolean not null default false, -- cycles appended to the group concern it
    primary key (customer_id, target_id)
) with (fillfactor = 80);
create index accounts_that_wait on accounts (target_id) where waits;

create table enrollments (
    customer_id         bigint not null,
    target_id           bigint not null,
    id                  text not null,
    source              text not null,
    enrolled_at         timestamptz not null,
    from_cycle          integer,
    initial_balance     numeric,
    reset_streak_status boolean not null,
    origin              origin not null,
    seen_at             timestamptz not null,
    primary key (customer_id, target_id, id, source)
);

create table leaves (
    customer_id   bigint not null,
    target_id     bigint not null,
    id            text not null,
    source        text not null,
    effective_at  timestamptz not null,
    reason        text,
    requested_by  text,
    outcome       outcome not null,
    first_dropped integer,
    seen_at       timestamptz not null,
    primary key (customer_id, target_id, id, source)
);

create table rewards (
    customer_id      bigint not null,
    target_id        bigint not null,
    reward_id        text not null,
    cycle            integer not null,
    allocation       allocation not null,
    achieved_at      timestamptz not null,
    level            bigint,
    amount           numeric,
    unit             text,
    state            reward_state not null,
    rule             reward_rule not null,
    action           reward_action,
    revision         integer not null, -- how many events were published of the reward
    leave_id         text,             -- the leave that governs it now
    leave_source     text,
    cancelled_id     text,             -- the leave named when it was last cancelled
    cancelled_source text,
    seen_at          timestamptz not null,
    primary key (customer_id, target_id, reward_id)
) with (fillfactor = 80);

create table issuances (
    customer_id bigint not null,
    target_id   bigint not null,
    reward_id   text not null,
    issued_at   timestamptz not null,
    seen_at     timestamptz not null,
    primary key (customer_id, target_id, reward_id)
);

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
