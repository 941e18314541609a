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

-- lock_group: select the version and definition of a group and lock its row
select version, definition from target_groups where group_id = $1 for update;

-- save_group: insert or replace the definition of a group
insert into target_groups (group_id, version, definition) values ($1, $2, $3)
on conflict (group_id) do update
set version = excluded.version, definition = excluded.definition, accepted_at = now();

-- save_targets: insert the targets of a group; the first group that defines a target owns it
insert into targets (target_id, group_id) select target_id, $1 from unnest($2::bigint[]) as target_id
on conflict (target_id) do nothing;

-- group_waits: whether an account of the group waits for appended cycles
select exists (
    select from targets join accounts using (target_id) where targets.group_id = $1 and accounts.waits
);

-- begin_resettlement: settle all waiting accounts of a group again, from the first one on
insert into resettlements (group_id) values ($1)
on conflict (group_id) do update set target_id = 0, customer_id = 0;

-- begin_all_resettlements: the same for all groups, if the workers have read a topic of this name with another id
insert into resettlements (group_id)
select group_id from target_groups
where exists (select from lanes where topic_prefix = $1 and group_id = $2 and $3 = any(topics))
  and not exists (select from lanes where topic_prefix = $1 and group_id = $2 and $4 = any(topic_ids))
on conflict (group_id) do update set target_id = 0, customer_id = 0;

-- has_resettlements: whether a group has accounts to settle again
select exists (select from resettlements);

-- lock_resettlement: select a group to settle again and lock it; skip those that another worker has locked
select resettlements.group_id, target_id, customer_id, version, accepted_at
from resettlements join target_groups using (group_id)
order by resettlements.group_id
limit 1
for update of resettlements skip locked;

-- waiting_customers: select the next customers whose account in a target waits
select customer_id from accounts
where waits and target_id = $1 and customer_id > $2
order by customer_id
limit $3;

-- next_target: select the next target of a group
select min(target_id) from targets where group_id = $1 and target_id > $2;

-- move_resettlement: remember the last account whose SettlementDue event is published
update resettlements set target_id = $2, customer_id = $3 where group_id = $1;

-- end_resettlement: delete a group whose waiting accounts have their SettlementDue events
delete from resettlements where group_id = $1;

-- definition_positions: select the positions of a topic of definitions
select partition, position from definition_positions where topic_id = $1;

-- save_definition_positions: save the positions of a topic of definitions, unless they are higher already
insert into definition_positions as saved (topic_id, partition, position)
select $1, * from unnest($2::integer[], $3::bigint[])
on conflict (topic_id, partition) do update set position = greatest(saved.position, excluded.position);

-- save_refusal: insert a refused definition, once for each record
insert into definition_refusals (topic_id, partition, "offset", group_id, version, reason, detail)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing;
