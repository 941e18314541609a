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
