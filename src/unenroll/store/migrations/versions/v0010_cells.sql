-- Where a lane is decided. It stands in the row that every batch locks, so that nobody can take a lane that is not here.
--   here      in this database
--   leaving   in this one until now, nobody decides: it is being copied
--   gone      in another one
--   arriving  in this one from soon on, nobody decides yet
alter table lanes
    add column home text not null default 'here' check (home in ('here', 'leaving', 'gone', 'arriving')),
    add column move_id uuid; -- the move that it left or arrived by

-- The database is a cell: one of several that share the lanes of a group. It has the lanes that have a row, and no other.
create table cells (
    topic_prefix text not null,
    group_id     text not null,
    made_at      timestamptz not null default now(),
    primary key (topic_prefix, group_id)
);

-- Lanes that moved, or are to: kept in both databases.
create table lane_moves (
    move_id      uuid not null,
    topic_prefix text not null,
    group_id     text not null,
    partition    integer not null,
    came_from    text not null, -- databases, as `database_identity` tells them
    goes_to      text not null,
    copied_above bigint,        -- whatever was decided up to this number of the lane was copied before it was held
    moved_by     text not null,
    why          text not null,
    asked_at     timestamptz not null default now(),
    done_at      timestamptz,
    primary key (move_id, partition)
);

-- Which process takes a lane without being given it by the group. It decides nothing of safety: the epoch does.
create table lane_leases (
    topic_prefix text not null,
    group_id     text not null,
    partition    integer not null,
    holder       text not null,
    held_until   timestamptz not null,
    primary key (topic_prefix, group_id, partition)
) with (fillfactor = 50);
