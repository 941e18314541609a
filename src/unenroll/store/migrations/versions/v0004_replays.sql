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
