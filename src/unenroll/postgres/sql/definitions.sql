-- lock_group_versions: select the versions of groups, and lock them until the transaction ends
select group_id, version from target_groups where group_id = any($1::bigint[]) order by group_id for share;

-- group_versions: select the versions of groups without a lock
select group_id, version from target_groups where group_id = any($1::bigint[]);

-- group_definitions: select the definitions of groups
select group_id, definition from target_groups where group_id = any($1::bigint[]);

-- target_owners: select the group that owns each target
select target_id, group_id from targets where target_id = any($1::bigint[]);

-- lock_definition: block other definitions of the same group, even if the group has no row yet
select pg_advisory_xact_lock(hashtextextended('unenroll group ' || $1::bigint, 0));

-- lock_group: select the definition of a group and lock its row
select definition from target_groups where group_id = $1 for update;

-- save_group: insert or replace the definition of a group
insert into target_groups (group_id, version, definition) values ($1, $2, $3)
on conflict (group_id) do update
set version = excluded.version, definition = excluded.definition, accepted_at = now();

-- save_targets: insert the targets of a group; the first group that defines a target owns it
insert into targets (target_id, group_id) select target_id, $1 from unnest($2::bigint[]) as target_id
on conflict (target_id) do nothing;

-- waiting_accounts: count the accounts of a group that wait for appended cycles
select count(*) from accounts join targets using (target_id) where accounts.waits and targets.group_id = $1;

-- save_due: mark the waiting accounts of a group as due for settlement
insert into settlements_due (customer_id, target_id, group_id, version, due_at)
select accounts.customer_id, accounts.target_id, $1, $2, now()
from accounts join targets using (target_id)
where accounts.waits and targets.group_id = $1
on conflict do nothing;

-- save_due_again: mark waiting accounts as due, if the workers have read a topic of this name with another id
insert into settlements_due (customer_id, target_id, group_id, version, due_at)
select accounts.customer_id, accounts.target_id, target_groups.group_id, target_groups.version, now()
from accounts join targets using (target_id) join target_groups using (group_id)
where accounts.waits
  and exists (select from lanes where topic_prefix = $1 and group_id = $2 and $3 = any(topics))
  and not exists (select from lanes where topic_prefix = $1 and group_id = $2 and $4 = any(topic_ids))
on conflict do nothing;

-- lock_due: select due accounts and lock them; skip those that another worker has locked
select customer_id, target_id, group_id, version, due_at
from settlements_due
order by customer_id, target_id, group_id, version
limit $1
for update skip locked;

-- delete_due: delete due accounts after their SettlementDue events are published
delete from settlements_due
where (customer_id, target_id, group_id, version)
      in (select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]));

-- save_refusal: insert a refused definition, once for each record
insert into definition_refusals (topic_id, partition, "offset", group_id, version, reason, detail)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing;
