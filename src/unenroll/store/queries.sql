-- tables_version: which step of the history the tables are at
select version_num from alembic_version;

-- oldest_program: the oldest program that the tables work with
select version from oldest_program;

-- take_lane: raise the epoch of a lane that is here, so that its former owner can decide nothing more
update lanes set epoch = epoch + 1, owner_version = $4, owner_epoch = epoch + 1, updated_at = now()
where topic_prefix = $1 and group_id = $2 and partition = $3 and home = 'here'
returning lane_id, partition, epoch, sequence, published, topics, topic_ids, partition_counts, positions;

-- make_lane: a lane that nobody took before. A cell has the lanes that it has, and makes none
insert into lanes (topic_prefix, group_id, partition, epoch, owner_version, owner_epoch)
select $1, $2, $3, 1, $4, 1 where not exists (select from cells where topic_prefix = $1 and group_id = $2)
on conflict (topic_prefix, group_id, partition) do nothing
returning lane_id, partition, epoch, sequence, published, topics, topic_ids, partition_counts, positions;

-- lane_hindrance: who else takes the lane by itself, and whether it is decided in this database
select (select holder from lane_leases
        where topic_prefix = $1 and group_id = $2 and partition = $3 and held_until >= now() and holder <> $4) as holder,
       (select home from lanes where topic_prefix = $1 and group_id = $2 and partition = $3) as home,
       exists (select from cells where topic_prefix = $1 and group_id = $2) as cell;

-- lease_lanes: take lanes that nobody holds, or hold them on; returns those that are ours
insert into lane_leases as lease (topic_prefix, group_id, partition, holder, held_until)
select $1, $2, number, $4, now() + $5 * interval '1 millisecond' from unnest($3::integer[]) as number order by number
on conflict (topic_prefix, group_id, partition) do update
set holder = excluded.holder, held_until = excluded.held_until
where lease.holder = excluded.holder or lease.held_until < now()
returning partition;

-- release_lanes: hold none of them any more
delete from lane_leases where topic_prefix = $1 and group_id = $2 and holder = $3;

-- leases: which lanes are held by whom
select partition, holder from lane_leases
where topic_prefix = $1 and group_id = $2 and held_until >= now()
order by partition;

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

-- lane_published: how far the lane is known to have published, unless somebody else holds it by now
update lanes set published = greatest(published, $3), updated_at = now()
where lane_id = $1 and epoch = $2;

-- leave_lane: how far the lane is known to have published, and that nobody holds it, unless somebody else does by now
update lanes set published = greatest(published, $3), owner_version = null, updated_at = now()
where lane_id = $1 and epoch = $2;

-- lanes_of_older: the lanes that programs older than this one may hold
select topic_prefix, group_id, partition, case when owner_epoch = epoch then owner_version end as owner_version
from lanes
where epoch > 0 and (owner_epoch is distinct from epoch or owner_version < $1)
order by lanes.topic_prefix, lanes.group_id, lanes.partition;

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

-- due_again: the accounts that wait, of which the lanes may have been told by a topic that is no more
insert into settlements_due (customer_id, target_id, group_id, version, due_at)
select accounts.customer_id, accounts.target_id, target_groups.group_id, target_groups.version, now()
from accounts join targets using (target_id) join target_groups using (group_id)
where accounts.waits
  and exists (select from lanes where topic_prefix = $1 and group_id = $2 and $3 = any(topics))
  and not exists (select from lanes where topic_prefix = $1 and group_id = $2 and $4 = any(topic_ids))
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

-- event_counts: how many events of each type, and how many requests with each outcome, were decided
select event_type, outcome, sum(count)::bigint as count
from (
    select event_type, outcome::text, count(*) from ledger group by event_type, ledger.outcome
    union all
    select event_type, nullif(became, ''), count from erased_counts where event_type <> ''
) as counted
group by event_type, outcome
order by event_type, outcome::outcome;

-- dead_letter_counts: how many contents were dead-lettered for each reason
select reason, sum(count)::bigint as count
from (
    select reason, count(*) from dead_letters group by reason
    union all
    select became, count from erased_counts where event_type = ''
) as counted
group by reason
order by reason;

-- erased_customers_count: how many customers were erased
select count(*) from erased_customers;

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

-- latest_dead_letters: the contents that were dead-lettered last
select topic, partition, "offset", reason, detail, decided_at
from dead_letters
order by decided_at desc, topic, partition, "offset" desc
limit $1;

-- definitions_in_short: how many groups are defined, and the one that was accepted last
select (select count(*) from target_groups) as groups, group_id, version, definition::json ->> 'name' as name, accepted_at
from (select * from target_groups order by accepted_at desc, group_id limit 1) as latest;

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

-- undecided_requests: requests of the front door that the ledger does not know, some of them, in the order of their ids
select request_id, caller, event_type, fingerprint, customer_id, target_id, event_key, event_time, traceparent, data
from front_door_requests as kept
where request_id > $1 and created_at < $2
  and not exists (
      select from ledger where ledger.customer_id = kept.customer_id and ledger.event_key = kept.event_key
  )
order by request_id
limit $3;

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

-- ping: whether anybody answers
select 1;

-- make_cell: from now on the database has the lanes that have a row, and makes no others
insert into cells (topic_prefix, group_id) values ($1, $2) on conflict do nothing;

-- nobody_makes_lanes: nobody makes a lane until the transaction ends
lock table lanes in share row exclusive mode;

-- claim_lanes: the cell has these lanes
insert into lanes (topic_prefix, group_id, partition) select $1, $2, number from unnest($3::integer[]) as number
on conflict (topic_prefix, group_id, partition) do nothing;

-- strangers: groups that share the database
select distinct topic_prefix, group_id from lanes where (topic_prefix, group_id) <> ($1, $2);

-- is_cell: whether the database is a cell of the group, and whether it holds anything of it
select exists (select from cells where topic_prefix = $1 and group_id = $2) as cell,
       exists (select from lanes where topic_prefix = $1 and group_id = $2) as lanes,
       exists (select from ledger) as decisions;

-- oldest_is: programs that are older than this do not work with these tables any more
update oldest_program set version = greatest(version, $1);

-- lane_homes: where the lanes of a group are
select partition, lane_id, home, move_id, sequence from lanes where topic_prefix = $1 and group_id = $2 order by partition;

-- note_move: what is about to move, unless it is noted already
insert into lane_moves (move_id, topic_prefix, group_id, partition, came_from, goes_to, copied_above, moved_by, why)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict do nothing;

-- noted_move: the move of a lane
select move_id, copied_above, goes_to from lane_moves where move_id = $1 and partition = $2;

-- note_copied: what was decided up to this number is copied
update lane_moves set copied_above = $3 where move_id = $1 and partition = $2;

-- move_done: it has moved
update lane_moves set done_at = now() where move_id = $1 and partition = $2 and done_at is null;

-- moves_given_up: a lane stays
update lane_moves set done_at = now() where topic_prefix = $1 and group_id = $2 and partition = $3 and done_at is null;

-- moves_under_way: the lanes of all groups that are on their way
select distinct partition from lane_moves where done_at is null order by partition;

-- all_erased: who was erased
select customer_id, erased_at, until from erased_customers;

-- save_erased: customers who were erased, as another database has it
insert into erased_customers as known (customer_id, erased_at, until)
select * from unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[])
on conflict (customer_id) do update
set erased_at = greatest(known.erased_at, excluded.erased_at), until = greatest(known.until, excluded.until);

-- latest_lane_moves: what moved last
select move_id, partition, came_from, goes_to, moved_by, why, asked_at, done_at
from lane_moves where topic_prefix = $1 and group_id = $2 order by asked_at desc, partition limit $3;

-- await_lane: the lane is to come here
insert into lanes as lane (topic_prefix, group_id, partition, home, move_id) values ($1, $2, $3, 'arriving', $4)
on conflict (topic_prefix, group_id, partition) do update set home = 'arriving', move_id = $4
where lane.home = 'gone' or (lane.home = 'arriving' and lane.move_id = $4)
returning lane_id;

-- hold_leaving: nobody decides the lane here any more; it is on its way by this move
update lanes
set home = 'leaving', move_id = $4, epoch = epoch + 1, owner_version = null, owner_epoch = epoch + 1, updated_at = now()
where topic_prefix = $1 and group_id = $2 and partition = $3 and (home = 'here' or (home = 'leaving' and move_id = $4))
returning lane_id, partition, epoch, sequence, published, topics, topic_ids, partition_counts, positions;

-- lane_stays: it does not move after all
update lanes
set home = 'here', move_id = null, epoch = epoch + 1, owner_version = null, owner_epoch = epoch + 1, updated_at = now()
where lane_id = $1 and home = 'leaving' and move_id = $2
returning lane_id;

-- lane_not_awaited: it does not come after all
update lanes set home = 'gone', move_id = null where topic_prefix = $1 and group_id = $2 and partition = $3
  and home = 'arriving' and move_id = $4;

-- lane_gone: it is decided elsewhere from now on, for who held it last for this move
update lanes set home = 'gone', updated_at = now()
where lane_id = $1 and home = 'leaving' and move_id = $2 and epoch = $3
returning lane_id;

-- write_arriving: the lane as it was where it comes from
update lanes
set epoch = greatest(epoch, $3) + 1, owner_version = null, owner_epoch = greatest(epoch, $3) + 1, sequence = $4,
    published = $4, topics = $5, topic_ids = $6, partition_counts = $7, positions = $8, updated_at = now()
where lane_id = $1 and home = 'arriving' and move_id = $2
returning lane_id;

-- lane_arrived: it is decided here from now on
update lanes set home = 'here', updated_at = now() where lane_id = $1 and home = 'arriving' and move_id = $2
returning lane_id;

-- takes_long: moving takes longer than a lane may
set statement_timeout = '0'; set idle_in_transaction_session_timeout = '60s';

-- index_moves: to find what a lane has decided above a number
create index concurrently if not exists ledger_of_moving_lanes on ledger (lane_id, sequence, customer_id);

-- broken_index: whether the index was left unfinished
select exists (
    select from pg_index where indexrelid = to_regclass('ledger_of_moving_lanes') and not indisvalid
);

-- drop_index: nothing moves any more
drop index concurrently if exists ledger_of_moving_lanes;

-- decided_above: of whom the lane has decided something above this number
select distinct customer_id from ledger where lane_id = $1 and sequence > $2 order by customer_id;

-- others_decided: customers of whom another lane has decided something as well
select distinct customer_id from ledger where customer_id = any($1::bigint[]) and lane_id <> $2 limit 10;

-- called_since: who called the front door since the lane's move was asked for, as far as clocks agree
select distinct customer_id from front_door_requests
where created_at >= (select asked_at from lane_moves where move_id = $1 and partition = $2) - $3::interval;

-- moved_ledger: ledger rows of some customers, as rows of the lane where they arrive
select customer_id, event_key, event_type, content_version, content_hash, event_time, target_id, outcome, decision,
       case when lane_id is not null then $2::integer end as lane_id, sequence, topic_id, partition, "offset", decided_at
from ledger where customer_id = any($1::bigint[]);

-- moved_accounts: accounts of some customers; whether they wait is told when the lane has arrived
select customer_id, target_id, decisions, false as waits, facts from accounts where customer_id = any($1::bigint[]);

-- moved_front_door_requests: their calls
select request_id, caller, event_type, fingerprint, customer_id, target_id, event_key, event_time, traceparent, data,
       answer, created_at
from front_door_requests where customer_id = any($1::bigint[]);

-- moved_publications: some publications of a lane, as those of the lane where they arrive
select $2::integer as lane_id, last_sequence, first_sequence, outputs, decided_at
from publications where lane_id = $1 and last_sequence > $3 and last_sequence <= $4;

-- next_publications: up to where the next publications of a lane reach
select max(last_sequence)
from (select last_sequence from publications where lane_id = $1 and last_sequence > $2
      order by last_sequence limit 500) as next;

-- moved_dead_letters: dead letters of a lane, as those of the lane where they arrive
select topic, digest, reason, detail, $2::integer as lane_id, sequence, topic_id, partition, "offset", redrives, decided_at
from dead_letters where lane_id = $1;

-- moved_handled_letters: what was done about them; the number of a transaction is of use only where it was given
select handled.topic, handled.digest, case when handled.batch is not null then 0::bigint end as batch,
       handled_by, handled_at, why
from handled_letters as handled join dead_letters using (topic, digest) where dead_letters.lane_id = $1;

-- unsettled_letters: whether it is not known of all letters whether they were put back
select exists (
    select from handled_letters join redrives on starts_with(topic, topic_prefix) where handled_letters.batch > published
);

-- unfinished_replays: replays of a group that are under way
select replay_id from replays where topic_prefix = $1 and group_id = $2 and finished_at is null;

-- forget_ledger_of: the rows of some customers
delete from ledger where customer_id = any($1::bigint[]);

-- forget_accounts_of: the accounts of some customers
delete from accounts where customer_id = any($1::bigint[]);

-- forget_calls_of: the calls of some customers
delete from front_door_requests where customer_id = any($1::bigint[]);

-- forget_due_of: that some customers are to be settled again
delete from settlements_due where customer_id = any($1::bigint[]);

-- forget_publications_above: of a lane
delete from publications where lane_id = $1 and last_sequence > $2;

-- forget_publications_up_to: of a lane, some
delete from publications where lane_id = $1 and last_sequence <= $2;

-- forget_handled_letters_of: what was done about the letters of a lane
delete from handled_letters using dead_letters
where (dead_letters.topic, dead_letters.digest) = (handled_letters.topic, handled_letters.digest) and lane_id = $1;

-- forget_dead_letters_of: the letters of a lane
delete from dead_letters where lane_id = $1;

-- share_all_groups: all definitions, which cannot change before the transaction ends
select group_id, version, definition from target_groups order by group_id for share;

-- all_waiting: the accounts that wait for cycles
select customer_id, target_id from accounts where waits;

-- set_waiting: whether accounts wait
update accounts set waits = $3
where (customer_id, target_id) in (select * from unnest($1::bigint[], $2::bigint[])) and waits <> $3;

-- all_due: who is to be settled again
select customer_id, target_id, group_id, version, due_at from settlements_due;

-- save_arrived_due: who is to be settled again, from where it was noted before
insert into settlements_due (customer_id, target_id, group_id, version, due_at)
select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[])
on conflict do nothing;

-- save_due_of: some accounts of a group are to be settled again
insert into settlements_due (customer_id, target_id, group_id, version, due_at)
select customer_id, target_id, targets.group_id, target_groups.version, now()
from unnest($1::bigint[], $2::bigint[]) as moved (customer_id, target_id)
join targets using (target_id) join target_groups on target_groups.group_id = targets.group_id
where target_groups.group_id = any($3::bigint[])
on conflict do nothing;

-- handing_over_takes_time: longer than a transaction of a lane may idle
set local idle_in_transaction_session_timeout = '60s';

-- is_a_cell: whether the database is a cell of the group
select exists (select from cells where topic_prefix = $1 and group_id = $2);

-- erased_among: which of these customers were erased; nobody is erased from now on until the transaction ends
select customer_id, until from erased_customers where customer_id = any($1::bigint[]) for key share;

-- erased_seen: which of these customers were erased, up to now
select customer_id, until from erased_customers where customer_id = any($1::bigint[]);

-- erased_customer: when a customer was erased
select erased_at, until from erased_customers where customer_id = $1;

-- erasing_waits_little: whoever waits behind an erasure does not wait for longer than that
set local lock_timeout = '2s';

-- erase_alone: wait for all batches in hand, and let no other one begin before the transaction ends
lock table erased_customers in exclusive mode;

-- erase_customer: from now on nothing up to now is taken; returns when that was. A clock may have been a day ahead
insert into erased_customers as known (customer_id, erased_at, until)
select $1, now(), greatest(now(), least(max(event_time), now() + interval '1 day')) from ledger where customer_id = $1
on conflict (customer_id) do update
set erased_at = excluded.erased_at, until = greatest(known.until, excluded.until)
returning erased_at, until;

-- concerned_batches: the batches that decided events of a customer, as far as they are kept
select distinct held.lane_id, held.last_sequence
from ledger
cross join lateral (
    select lane_id, last_sequence, first_sequence
    from publications
    where publications.lane_id = ledger.lane_id and last_sequence >= ledger.sequence
    order by last_sequence
    limit 1
) as held
where ledger.customer_id = $1 and held.first_sequence <= ledger.sequence;

-- note_batches: the batches that are to be looked through
insert into erased_batches (customer_id, lane_id, last_sequence)
select $1, * from unnest($2::integer[], $3::bigint[])
on conflict do nothing;

-- noted_batches: the batches that are still to be looked through
select lane_id, last_sequence from erased_batches where customer_id = $1;

-- batch_done: a batch holds nothing of the customer any more
delete from erased_batches where customer_id = $1 and lane_id = $2 and last_sequence = $3;

-- batches_with_letters: the batches that put something aside, as far as they are kept
select distinct held.lane_id, held.last_sequence
from dead_letters
cross join lateral (
    select lane_id, last_sequence, first_sequence
    from publications
    where publications.lane_id = dead_letters.lane_id and last_sequence >= dead_letters.sequence
    order by last_sequence
    limit 1
) as held
where held.first_sequence <= dead_letters.sequence;

-- hold_batch: the bytes of a batch, to be written anew
select outputs from publications where lane_id = $1 and last_sequence = $2 for update;

-- see_batch: the bytes of a batch
select outputs from publications where lane_id = $1 and last_sequence = $2;

-- rewrite_batch: the bytes of a batch, less what is erased
update publications set outputs = $3 where lane_id = $1 and last_sequence = $2;

-- forget_batch: nothing is left of the bytes of a batch
delete from publications where lane_id = $1 and last_sequence = $2;

-- count_accounts: how many accounts a customer has
select count(*) from accounts where customer_id = $1;

-- count_ledger: how many events the ledger has of a customer
select count(*) from ledger where customer_id = $1;

-- count_front_door_requests: how many calls are kept of a customer
select count(*) from front_door_requests where customer_id = $1;

-- count_settlements_due: how many accounts of a customer wait to be settled again
select count(*) from settlements_due where customer_id = $1;

-- count_replays: how many replays were asked for of a customer
select count(*) from replays where (selection::jsonb -> 'customers') @> to_jsonb($1::bigint);

-- erase_accounts: forget a customer's accounts
with gone as (delete from accounts where customer_id = $1 returning 1) select count(*) from gone;

-- erase_ledger: forget what was decided of a customer, but how often which outcome
with gone as (
    delete from ledger where customer_id = $1 returning lane_id, event_type, outcome
), counted as (
    insert into erased_counts as known (lane_id, event_type, became, count)
    select coalesce(lane_id, 0), event_type, coalesce(outcome::text, ''), count(*) from gone group by 1, 2, 3
    on conflict (lane_id, event_type, became) do update set count = known.count + excluded.count
)
select count(*) from gone;

-- erase_front_door_requests: forget a customer's calls
with gone as (delete from front_door_requests where customer_id = $1 returning 1) select count(*) from gone;

-- erase_settlements_due: forget that a customer's accounts were to be settled again
with gone as (delete from settlements_due where customer_id = $1 returning 1) select count(*) from gone;

-- erase_replays: forget replays that were asked for of a customer
with gone as (
    delete from replays where (selection::jsonb -> 'customers') @> to_jsonb($1::bigint) returning 1
)
select count(*) from gone;

-- erase_letter: forget that a content was put aside, but how often for which reason
with gone as (
    delete from dead_letters
    where topic = $1 and (digest = $2 or (partition = $3 and "offset" = $4 and reason = $5))
    returning lane_id, reason
), counted as (
    insert into erased_counts as known (lane_id, event_type, became, count)
    select lane_id, '', reason, count(*) from gone group by 1, 3
    on conflict (lane_id, event_type, became) do update set count = known.count + excluded.count
)
select count(*) from gone;

-- erase_handled_letter: forget what was done about a dead letter
with gone as (delete from handled_letters where topic = $1 and digest = $2 returning 1) select count(*) from gone;

-- count_letter: how many contents were put aside that are this one
select count(*) from dead_letters
where topic = $1 and (digest = $2 or (partition = $3 and "offset" = $4 and reason = $5));

-- count_handled_letter: whether something was done about a dead letter
select count(*) from handled_letters where topic = $1 and digest = $2;

-- all_lanes: the lanes of all groups, and how far they are known to have published
select lane_id, topic_prefix, group_id, partition, published from lanes;

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
