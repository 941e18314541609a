-- tables_version: which step of the history the tables are at
select version_num from alembic_version;

-- take_lane: raise the epoch of a lane, so that its former owner can decide nothing more
insert into lanes as lane (topic_prefix, group_id, partition, epoch) values ($1, $2, $3, 1)
on conflict (topic_prefix, group_id, partition) do update set epoch = lane.epoch + 1, updated_at = now()
returning lane_id, partition, epoch, sequence, published, topics, topic_ids, partition_counts, positions;

-- end_hung: end sessions of ours that wait for their client amid a statement for longer than any may last
select pg_terminate_backend(pid)
from pg_stat_activity
where datname = current_database() and usename = current_user and application_name = 'unenroll'
  and state = 'active' and wait_event_type = 'Client' and query_start < now() - interval '10s';

-- hold_lane: lock the lane's row for a batch
select epoch, sequence, topics, topic_ids, partition_counts, positions from lanes where lane_id = $1 for update;

-- move_lane: where the lane has decided up to
update lanes
set sequence = $3, published = $4, topics = $5, topic_ids = $6, partition_counts = $7, positions = $8,
    updated_at = now()
where lane_id = $1 and epoch = $2
returning lane_id;

-- move_lane_publishing: the same, and the bytes that the batch publishes
with moved as (
    update lanes
    set sequence = $3, published = $4, topics = $5, topic_ids = $6, partition_counts = $7, positions = $8,
        updated_at = now()
    where lane_id = $1 and epoch = $2
    returning lane_id, sequence
)
insert into publications (lane_id, last_sequence, first_sequence, outputs, decided_at)
select lane_id, sequence, $9, $10, $11 from moved
returning lane_id;

-- lane_published: how far the lane is known to have published, unless somebody else owns it by now
update lanes set published = $3, updated_at = now() where lane_id = $1 and epoch = $2 and published < $3;

-- has_read: whether a group has read a topic under another id, or when it had fewer partitions than to hold this one
select exists (
    select from lanes cross join unnest(topics, topic_ids, partition_counts) as known (topic, topic_id, partitions)
    where lanes.topic_prefix = $1 and lanes.group_id = $2
      and known.topic = $3 and (known.topic_id <> $4 or known.partitions <= $5)
);

-- publications_above: what a lane decided after this number, in the order of the decisions
select outputs from publications where lane_id = $1 and last_sequence > $2 order by last_sequence;

-- share_groups: the versions of the groups of a batch, which cannot change before its end
select group_id, version from target_groups where group_id = any($1::bigint[]) order by group_id for share;

-- group_definitions: definitions of groups, as they were accepted
select group_id, definition from target_groups where group_id = any($1::bigint[]);

-- target_owners: which group defined a target first
select target_id, group_id from targets where target_id = any($1::bigint[]);

-- one_definition_at_a_time: nobody else defines the group meanwhile, even if it is not there yet
select pg_advisory_xact_lock(hashtextextended('unenroll group ' || $1::bigint, 0));

-- lock_group: a group's definition, held for its next version
select definition from target_groups where group_id = $1 for update;

-- save_group: the version of a group that was accepted
insert into target_groups (group_id, version, definition) values ($1, $2, $3)
on conflict (group_id) do update
set version = excluded.version, definition = excluded.definition, accepted_at = now();

-- save_targets: who defined a target first
insert into targets (target_id, group_id) select target_id, $1 from unnest($2::bigint[]) as target_id
on conflict (target_id) do nothing;

-- save_due: the accounts of a group that wait for appended cycles are to be settled again
insert into settlements_due (customer_id, target_id, group_id, version, due_at)
select accounts.customer_id, accounts.target_id, $1, $2, now()
from accounts join targets using (target_id)
where accounts.waits and targets.group_id = $1
on conflict do nothing;

-- take_due: some accounts that are to be settled again, and that no other worker is telling of
select customer_id, target_id, group_id, version, due_at
from settlements_due
order by customer_id, target_id, group_id, version
limit $1
for update skip locked;

-- done_due: the lanes were told of these
delete from settlements_due
where (customer_id, target_id, group_id, version)
      in (select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]));

-- save_refusal: a definition that was refused
insert into definition_refusals (topic_id, partition, "offset", group_id, version, reason, detail)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing;

-- group_versions: the versions of groups, without holding them
select group_id, version from target_groups where group_id = any($1::bigint[]);

-- waiting_accounts: how many accounts of a group wait for cycles to be appended
select count(*) from accounts join targets using (target_id) where accounts.waits and targets.group_id = $1;

-- lock_accounts: the accounts of a batch, locked in order, so that lanes cannot deadlock
select customer_id, target_id, decisions, waits, facts
from accounts
where (customer_id, target_id) in (select * from unnest($1::bigint[], $2::bigint[]))
order by customer_id, target_id
for update;

-- known_events: what the ledger has of these events
select customer_id, event_key, content_version, content_hash, event_time
from ledger
where (customer_id, event_key) in (select * from unnest($1::bigint[], $2::uuid[]));

-- outcomes_of: what the ledger says became of these events
select customer_id, event_key, content_version, content_hash, event_time, coalesce(outcome::text, event_type) as became
from ledger
where (customer_id, event_key) in (select * from unnest($1::bigint[], $2::uuid[]));

-- known_dead_letters: which of these contents were dead-lettered before
select digest, reason from dead_letters where topic = $1 and digest = any($2::bytea[]);

-- move_accounts: accounts that were locked, and what they are now
update accounts as account
set decisions = moved.decisions, waits = moved.waits, facts = moved.facts
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::boolean[], $5::text[])
     as moved (customer_id, target_id, decisions, waits, facts)
where account.customer_id = moved.customer_id and account.target_id = moved.target_id;

-- customer_accounts: the accounts of a customer, not locked
select customer_id, target_id, decisions, waits, facts from accounts where customer_id = $1 order by target_id;

-- customer_publications: what the batches published that decided these customers' events, in the order of decisions
with concerned as (
    select distinct held.lane_id, held.last_sequence
    from ledger
    cross join lateral (
        select lane_id, last_sequence, first_sequence
        from publications
        where publications.lane_id = ledger.lane_id and last_sequence >= ledger.sequence
        order by last_sequence
        limit 1
    ) as held
    where ledger.customer_id = any($1::bigint[]) and held.first_sequence <= ledger.sequence
)
select decided_at, outputs
from concerned join publications using (lane_id, last_sequence)
order by decided_at, lane_id, last_sequence;

-- counting_takes_time: longer than any statement of a lane may
set local statement_timeout = '60s';

-- group_lanes: the lanes of a group
select partition, epoch, sequence, published, topics, topic_ids, positions, updated_at
from lanes
where topic_prefix = $1 and group_id = $2
order by partition;

-- event_counts: how many events of each type, and how many requests with each outcome, are in the ledger
select event_type, outcome::text, count(*)
from ledger
group by event_type, ledger.outcome
order by event_type, ledger.outcome;

-- dead_letter_counts: how many contents were dead-lettered for each reason
select reason, count(*) from dead_letters group by reason order by reason;

-- definitions_told: what is defined, without the cycles and targets themselves
select group_id, version, accepted_at, definition::json ->> 'name' as name,
       (definition::json ->> 'active')::boolean as active,
       json_array_length(definition::json -> 'cycles') as cycles,
       json_array_length(definition::json -> 'targets') as targets
from target_groups
order by group_id;

-- settlements_due_count: how many accounts wait to be settled again
select count(*) from settlements_due;

-- latest_refusals: the definitions that were refused last
select group_id, version, reason, detail, topic_id, partition, "offset", refused_at
from definition_refusals
order by refused_at desc, topic_id, partition, "offset" desc
limit $1;

-- see_accounts: accounts as they are, not locked
select customer_id, target_id, decisions, waits, facts
from accounts
where (customer_id, target_id) in (select * from unnest($1::bigint[], $2::bigint[]));

-- database_identity: which database this is, on which cluster of servers
select system_identifier || '/' || pg_database.oid
from pg_control_system() cross join pg_database
where datname = current_database();

-- nobody_reads: whether there are lanes, and none of them has ever read a topic with this id
select exists (select from lanes where topic_ids <> '{}') and not exists (select from lanes where $1 = any(topic_ids));

-- only_one: whether nobody else does this, and from now on until its end only this session does
select pg_try_advisory_lock(hashtextextended('unenroll ' || $1, 0));

-- decided_requests: what lanes have decided of these requests
select customer_id, event_key, outcome::text, decision, lane_id, sequence
from ledger
where (customer_id, event_key) in (select * from unnest($1::bigint[], $2::uuid[])) and outcome is not null;

-- publications_of: what the batches published that made these decisions
select distinct on (held.lane_id, held.last_sequence) held.outputs
from unnest($1::integer[], $2::bigint[]) as wanted (lane_id, sequence)
cross join lateral (
    select lane_id, last_sequence, first_sequence, outputs
    from publications
    where publications.lane_id = wanted.lane_id and last_sequence >= wanted.sequence
    order by last_sequence
    limit 1
) as held
where held.first_sequence <= wanted.sequence;

-- take_redrive: raise the epoch, so that who put letters back before can note nothing more
insert into redrives as known (topic_prefix, epoch) values ($1, 1)
on conflict (topic_prefix) do update set epoch = known.epoch + 1
returning epoch, batch, published;

-- redrive_published: the transactions up to this one happened, unless somebody else took over
update redrives set published = $3 where topic_prefix = $1 and epoch = $2 returning batch;

-- redrive_batch: the number of the next transaction, unless somebody else took over
update redrives set batch = batch + 1, published = $3 where topic_prefix = $1 and epoch = $2 returning batch;

-- release_letters: what the transactions behind this one would have put back
delete from handled_letters where topic = any($1::text[]) and batch > $2;

-- redrive_letters: what a transaction puts back, unless that was done or is not to be; returns what it may put back
insert into handled_letters as known (topic, digest, batch, handled_by)
select topic, digest, $3, $4 from unnest($1::text[], $2::bytea[]) as letters (topic, digest)
on conflict (topic, digest) do update
set batch = excluded.batch, handled_by = excluded.handled_by, handled_at = now(), why = null
where known.batch is null and $5::boolean
returning topic, digest;

-- park_letters: what is not to be put back, unless it was; returns what was not parked before
insert into handled_letters (topic, digest, handled_by, why)
select topic, digest, $3, $4 from unnest($1::text[], $2::bytea[]) as letters (topic, digest)
on conflict do nothing
returning topic, digest;

-- letters_handled: what was done about letters; `settled`: it is known that the transaction happened
select topic, digest, batch, handled_by, handled_at, why,
       coalesce(batch <= (select published from redrives where topic_prefix = $3), true) as settled
from handled_letters
where (topic, digest) in (select * from unnest($1::text[], $2::bytea[]));

-- lanes_of_group: the lanes of a group, and how many of their publications are above what is known to be published
select lane_id, partition, epoch, sequence, published, topics, topic_ids, partition_counts, positions,
       (select count(*) from publications where publications.lane_id = lanes.lane_id and last_sequence > published)
       as unpublished
from lanes
where topic_prefix = $1 and group_id = $2
order by partition;

-- ask_to_move: who is about to set offsets, and why
insert into offset_moves (topic_prefix, group_id, moved_by, why, topics, partitions, committed, offsets)
values ($1, $2, $3, $4, $5, $6, $7, $8)
returning move_id;

-- moved: the offsets are set
update offset_moves set done_at = now() where move_id = $1;

-- latest_moves: who has set offsets of a group, the latest first
select move_id, moved_by, why, topics, partitions, committed, offsets, asked_at, done_at
from offset_moves
where topic_prefix = $1 and group_id = $2
order by move_id desc
limit $3;

-- table_blocks: how many blocks of how many bytes a table has
select pg_relation_size($1::text::regclass) / current_setting('block_size')::bigint as blocks,
       current_setting('block_size')::bigint as bytes;

-- lanes_of_prefix: the lanes of all groups that read the topics of a prefix
select lane_id from lanes where topic_prefix = $1;

-- prunable_ledger: how many events in these blocks are old, and not on their topics any more
select count(*) from ledger
where ctid >= $1::tid and ctid < $2::tid and decided_at < $3 and (lane_id is null or lane_id = any($4::integer[]))
  and not exists (
      select from unnest($5::text[], $6::integer[], $7::bigint[]) as held (topic_id, partition, first)
      where held.topic_id = ledger.topic_id and held.partition = ledger.partition and ledger."offset" >= held.first
  );

-- prune_ledger: forget them
with gone as (
    delete from ledger
    where ctid >= $1::tid and ctid < $2::tid and decided_at < $3 and (lane_id is null or lane_id = any($4::integer[]))
      and not exists (
          select from unnest($5::text[], $6::integer[], $7::bigint[]) as held (topic_id, partition, first)
          where held.topic_id = ledger.topic_id and held.partition = ledger.partition and ledger."offset" >= held.first
      )
    returning 1
)
select count(*) from gone;

-- prunable_dead_letters: how many dead letters in these blocks are old, and their records not on their topics any more
select count(*) from dead_letters
where ctid >= $1::tid and ctid < $2::tid and decided_at < $3 and lane_id = any($4::integer[])
  and not exists (
      select from unnest($5::text[], $6::integer[], $7::bigint[]) as held (topic_id, partition, first)
      where held.topic_id = dead_letters.topic_id and held.partition = dead_letters.partition
        and dead_letters."offset" >= held.first
  );

-- prune_dead_letters: forget them
with gone as (
    delete from dead_letters
    where ctid >= $1::tid and ctid < $2::tid and decided_at < $3 and lane_id = any($4::integer[])
      and not exists (
          select from unnest($5::text[], $6::integer[], $7::bigint[]) as held (topic_id, partition, first)
          where held.topic_id = dead_letters.topic_id and held.partition = dead_letters.partition
            and dead_letters."offset" >= held.first
      )
    returning 1
)
select count(*) from gone;

-- prunable_publications: how many batches in these blocks are old, and known to be published
select count(*) from publications
where ctid >= $1::tid and ctid < $2::tid and decided_at < $3 and lane_id = any($4::integer[])
  and last_sequence <= (select published from lanes where lanes.lane_id = publications.lane_id);

-- prune_publications: forget them
with gone as (
    delete from publications
    where ctid >= $1::tid and ctid < $2::tid and decided_at < $3 and lane_id = any($4::integer[])
      and last_sequence <= (select published from lanes where lanes.lane_id = publications.lane_id)
    returning 1
)
select count(*) from gone;

-- prunable_handled_letters: of how many letters in these blocks it is long known what was done about them
select count(*) from handled_letters
where ctid >= $1::tid and ctid < $2::tid and handled_at < $3 and starts_with(topic, $4);

-- prune_handled_letters: forget it
with gone as (
    delete from handled_letters
    where ctid >= $1::tid and ctid < $2::tid and handled_at < $3 and starts_with(topic, $4)
    returning 1
)
select count(*) from gone;

-- next_customers: customers from this one on of whom something was decided, or is known
select customer_id
from (
    (select distinct customer_id from accounts where customer_id >= $1 order by customer_id limit $2)
    union
    (select distinct customer_id from ledger where customer_id >= $1 order by customer_id limit $2)
) as either
order by customer_id
limit $2;

-- accounts_about: about how many accounts there are
select greatest(reltuples, 0)::bigint from pg_class where oid = 'accounts'::regclass;

-- accounts_of: the accounts of some customers, not locked
select customer_id, target_id, decisions, waits, facts
from accounts
where customer_id = any($1::bigint[])
order by customer_id, target_id;

-- receipts_of: what the ledger has of some customers
select customer_id, target_id, event_key, event_type, content_version, content_hash, outcome::text, decision
from ledger
where customer_id = any($1::bigint[]);

-- oldest_publication: when the oldest of the bytes that are kept were decided
select min(decided_at) from publications;

-- published_lanes: the lanes of a group, and how far each is known to have published
select partition, lane_id, published from lanes where topic_prefix = $1 and group_id = $2 order by partition;

-- begin_replay: note what a replay is asked for, unless it was begun before
insert into replays (replay_id, topic_prefix, group_id, selection, partitions, lane_ids, until)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing;

-- replay: what a replay was asked for, and whether it is done
select topic_prefix, group_id, selection, partitions, lane_ids, until, finished_at
from replays
where replay_id = $1;

-- finish_replay: all of a replay is published
update replays set finished_at = now() where replay_id = $1 and finished_at is null;

-- publications_between: what a lane decided after one number and up to another, some of it, in its order
select last_sequence, outputs, decided_at
from publications
where lane_id = $1 and last_sequence > $2 and last_sequence <= $3
order by last_sequence
limit $4;

-- keep_request: a request of the front door, unless it is kept already
insert into front_door_requests
    (request_id, caller, event_type, fingerprint, customer_id, target_id, event_key, event_time, traceparent, data)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (request_id) do nothing
returning request_id;

-- kept_request: a request of the front door, as it was kept
select request_id, caller, event_type, fingerprint, customer_id, target_id, event_key, event_time, traceparent, data
from front_door_requests
where request_id = $1;

-- keep_answer: what an enrollment is answered, unless it was answered before; returns what holds
update front_door_requests set answer = coalesce(answer, $2) where request_id = $1 returning answer;

-- fates_of: what became of those of the events that are done: the outcome of a request, or why it is a dead letter
select sought.place, ledger.outcome::text as outcome, dead.reason, dead.detail
from unnest($1::bigint[], $2::uuid[], $3::text[], $4::bytea[])
     with ordinality as sought (customer_id, event_key, topic, digest, place)
left join ledger using (customer_id, event_key)
left join dead_letters as dead on ledger.event_type is null and (dead.topic, dead.digest) = (sought.topic, sought.digest)
where ledger.event_type is not null or dead.reason is not null;

-- prunable_front_door_requests: how many calls in these blocks are old, and will not be in the ledger any more
select count(*) from front_door_requests as kept
where ctid >= $1::tid and ctid < $2::tid and created_at < $3
  and not exists (
      select from ledger
      where ledger.customer_id = kept.customer_id and ledger.event_key = kept.event_key
        and (decided_at >= $3 or lane_id <> all($4::integer[]) or exists (
            select from unnest($5::text[], $6::integer[], $7::bigint[]) as held (topic_id, partition, first)
            where held.topic_id = ledger.topic_id and held.partition = ledger.partition
              and ledger."offset" >= held.first
        ))
  );

-- prune_front_door_requests: forget them
with gone as (
    delete from front_door_requests as kept
    where ctid >= $1::tid and ctid < $2::tid and created_at < $3
      and not exists (
          select from ledger
          where ledger.customer_id = kept.customer_id and ledger.event_key = kept.event_key
            and (decided_at >= $3 or lane_id <> all($4::integer[]) or exists (
                select from unnest($5::text[], $6::integer[], $7::bigint[]) as held (topic_id, partition, first)
                where held.topic_id = ledger.topic_id and held.partition = ledger.partition
                  and ledger."offset" >= held.first
            ))
      )
    returning 1
)
select count(*) from gone;

-- missing_rights: which of these rights on tables we lack
select name, needed, quote_ident(current_user) as who
from unnest($1::text[], $2::text[]) with ordinality as wanted (name, needed, place)
where not has_table_privilege(to_regclass(name), needed)
order by place;

-- closed_schemas: the schema of our tables, if we may not look into it
select quote_ident(nspname) as name, quote_ident(current_user) as who
from pg_class join pg_namespace on pg_namespace.oid = relnamespace
where relname = 'alembic_version' and to_regclass('alembic_version') is null
  and not has_schema_privilege(pg_namespace.oid, 'usage');
