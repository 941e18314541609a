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
