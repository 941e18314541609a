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
