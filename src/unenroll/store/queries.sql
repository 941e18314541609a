-- tables_version: which step of the history the tables are at
select version_num from alembic_version;

-- take_lane: raise the epoch of a lane, so that its former owner can decide nothing more
insert into lanes as lane (topic_prefix, group_id, partition, epoch) values ($1, $2, $3, 1)
on conflict (topic_prefix, group_id, partition) do update set epoch = lane.epoch + 1, updated_at = now()
returning lane_id, epoch, sequence, published, topics, topic_ids, partition_counts, positions;

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

-- lock_group: a group's definition, held for its next version
select definition from target_groups where group_id = $1 for update;

-- save_group: the version of a group that was accepted
insert into target_groups (group_id, version, definition) values ($1, $2, $3)
on conflict (group_id) do update
set version = excluded.version, definition = excluded.definition, accepted_at = now();

-- save_targets: who defined a target first
insert into targets (target_id, group_id) select target_id, $1 from unnest($2::bigint[]) as target_id
on conflict (target_id) do nothing;

-- waiting_accounts: how many accounts of a group wait for cycles to be appended
select count(*) from accounts join targets using (target_id) where accounts.waits and targets.group_id = $1;

-- lock_accounts: the accounts of a batch, locked in order, so that lanes cannot deadlock
select customer_id, target_id, decisions, revision, waits
from accounts
where (customer_id, target_id) in (select * from unnest($1::bigint[], $2::bigint[]))
order by customer_id, target_id
for update;

-- new_accounts: accounts that were never heard of, locked by being made
insert into accounts (customer_id, target_id)
select * from unnest($1::bigint[], $2::bigint[]) as fresh (customer_id, target_id)
order by customer_id, target_id
on conflict do nothing;

-- account_enrollments: the enrollments of accounts
select customer_id, target_id, id, source, enrolled_at, from_cycle, initial_balance, reset_streak_status, origin::text
from enrollments
where (customer_id, target_id) in (select * from unnest($1::bigint[], $2::bigint[]));

-- account_leaves: the leaves of accounts, and what each was last settled to
select customer_id, target_id, id, source, effective_at, reason, requested_by, outcome::text, first_dropped
from leaves
where (customer_id, target_id) in (select * from unnest($1::bigint[], $2::bigint[]));

-- account_rewards: the rewards of accounts, and what each was last settled to
select customer_id, target_id, reward_id, cycle, allocation::text, achieved_at, level, amount, unit,
       state::text, rule::text, action::text, revision, leave_id, leave_source, cancelled_id, cancelled_source
from rewards
where (customer_id, target_id) in (select * from unnest($1::bigint[], $2::bigint[]));

-- account_issuances: which rewards of accounts are known to be issued
select customer_id, target_id, reward_id, issued_at
from issuances
where (customer_id, target_id) in (select * from unnest($1::bigint[], $2::bigint[]));

-- known_events: what the ledger has of these events
select customer_id, event_key, content_version, content_hash, event_time
from ledger
where (customer_id, event_key) in (select * from unnest($1::bigint[], $2::uuid[]));

-- known_dead_letters: which of these contents were dead-lettered before
select digest from dead_letters where topic = $1 and digest = any($2::bytea[]);

-- move_accounts: how often accounts were decided on and left, and whether they wait for appended cycles
update accounts as account
set decisions = moved.decisions, revision = moved.revision, waits = moved.waits
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], $5::boolean[])
     as moved (customer_id, target_id, decisions, revision, waits)
where account.customer_id = moved.customer_id and account.target_id = moved.target_id;

-- move_leaves: leaves that were settled otherwise than before
update leaves as leave
set outcome = moved.outcome::outcome, first_dropped = moved.first_dropped
from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::integer[])
     as moved (customer_id, target_id, id, source, outcome, first_dropped)
where leave.customer_id = moved.customer_id and leave.target_id = moved.target_id
  and leave.id = moved.id and leave.source = moved.source;

-- move_rewards: rewards that were settled otherwise than before
update rewards as reward
set state = moved.state::reward_state, rule = moved.rule::reward_rule, action = moved.action::reward_action,
    revision = moved.revision, leave_id = moved.leave_id, leave_source = moved.leave_source,
    cancelled_id = moved.cancelled_id, cancelled_source = moved.cancelled_source
from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[],
            $8::text[], $9::text[], $10::text[], $11::text[])
     as moved (customer_id, target_id, reward_id, state, rule, action, revision,
               leave_id, leave_source, cancelled_id, cancelled_source)
where reward.customer_id = moved.customer_id and reward.target_id = moved.target_id
  and reward.reward_id = moved.reward_id;

-- customer_accounts: the accounts of a customer, not locked
select customer_id, target_id, decisions, revision, waits from accounts where customer_id = $1 order by target_id;

-- outcome_counts: how many requests got each outcome
select outcome::text, count(*) from ledger where outcome is not null group by outcome order by outcome;
