-- tables_version: which step of the history the tables are at
select version_num from alembic_version;

-- oldest_program: the oldest program that the tables work with
select version from oldest_program;

-- take_lane: raise the epoch of a lane, so that its former owner can decide nothing more
insert into lanes as lane (topic_prefix, group_id, partition, epoch, owner_version) values ($1, $2, $3, 1, $4)
on conflict (topic_prefix, group_id, partition) do update
set epoch = lane.epoch + 1, owner_version = $4, updated_at = now()
returning lane_id, partition, epoch, sequence, published, topics, topic_ids, partition_counts, positions;

-- end_hung: end those sessions of ours that block this one, and have waited for their client amid a statement for long
select pg_terminate_backend(pid)
from pg_stat_activity
where pid = any (pg_blocking_pids($1)) and usename = current_user and application_name = 'unenroll'
  and state = 'active' and wait_event_type = 'Client' and query_start < now() - $2 * interval '1 second';

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

-- lanes_of_older: the lanes that programs older than this one hold
select group_id, partition, owner_version
from lanes
where owner_version < $1
order by topic_prefix, group_id, partition;

-- has_read: whether a group has read a topic under another id, or when it had fewer partitions than to hold this one
select exists (
    select from lanes cross join unnest(topics, topic_ids, partition_counts) as known (topic, topic_id, partitions)
    where lanes.topic_prefix = $1 and lanes.group_id = $2
      and known.topic = $3 and (known.topic_id <> $4 or known.partitions <= $5)
);

-- publications_above: what a lane decided after this number, in the order of the decisions
select outputs from publications where lane_id = $1 and last_sequence > $2 order by last_sequence;
