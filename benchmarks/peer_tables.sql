-- What the per-message workers keep: as many facts, decisions and answers as ours, in plain tables.
create table accounts (
    customer_id bigint not null,
    target_id   bigint not null,
    revision    integer not null default 0,
    primary key (customer_id, target_id)
) with (fillfactor = 80);

create table enrollments (
    customer_id bigint not null,
    target_id   bigint not null,
    id          text not null,
    source      text not null,
    enrolled_at timestamptz not null,
    primary key (customer_id, target_id, id, source)
);

create table leaves (
    customer_id   bigint not null,
    target_id     bigint not null,
    id            text not null,
    source        text not null,
    effective_at  timestamptz not null,
    reason        text,
    outcome       text not null,
    first_dropped integer,
    primary key (customer_id, target_id, id, source)
);

create table rewards (
    customer_id      bigint not null,
    target_id        bigint not null,
    reward_id        text not null,
    cycle            integer not null,
    allocation       text not null,
    achieved_at      timestamptz not null,
    state            text not null,
    rule             text not null,
    action           text,
    revision         integer not null,
    leave_id         text,
    leave_source     text,
    cancelled_id     text,
    cancelled_source text,
    primary key (customer_id, target_id, reward_id)
) with (fillfactor = 80);

-- One row a request. `answers` are sent again if the request comes again: it may have failed before they were sent.
create table ledger (
    customer_id bigint not null,
    id          text not null,
    source      text not null,
    outcome     text,
    answers     bytea not null,
    decided_at  timestamptz not null,
    primary key (customer_id, id, source)
);
