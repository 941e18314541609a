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
