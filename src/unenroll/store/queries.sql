-- tables_version: which step of the history the tables are at
select version_num from alembic_version;

-- take_lane: raise the epoch of a lane, so that its former owner can decide nothing more
insert into lanes as lane (topic_prefix, group_id, partition, epoch) values ($1, $2, $3, 1)
on conflict (topic_prefix, group_id, partition) do update set epoch = lane.epoch + 1, updated_at = now()
returning lane_id, epoch, sequence, published, topics, topic_ids, partition_counts, positions;

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

-- save_publication: the bytes that a batch publishes
insert into publications (lane_id, last_sequence, first_sequence, outputs, decided_at) values ($1, $2, $3, $4, $5);

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
