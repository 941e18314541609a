-- take_lane: increase the epoch of a lane, so that its former owner cannot decide any more
insert into lanes as lane (topic_prefix, group_id, partition, epoch, owner_version) values ($1, $2, $3, 1, $4)
on conflict (topic_prefix, group_id, partition) do update
set epoch = lane.epoch + 1, owner_version = $4, updated_at = now()
returning lane_id, partition, epoch, sequence, published, topics, topic_ids, partition_counts, positions;

-- terminate_hung_blockers: terminate our sessions that block another one while they wait for their client
select pg_terminate_backend(pid)
from pg_stat_activity
where pid = any (pg_blocking_pids($1)) and usename = current_user and application_name = 'unenroll'
  and state = 'active' and wait_event_type = 'Client' and query_start < now() - $2 * interval '1 second';

-- lock_lane: select the epoch and positions of a lane and lock its row
select epoch, sequence, topics, topic_ids, partition_counts, positions from lanes where lane_id = $1 for update;

-- move_lane: update the positions of a lane, unless its epoch is higher
update lanes
set sequence = $3, published = $4, topics = $5, topic_ids = $6, partition_counts = $7, positions = $8,
    updated_at = now()
where lane_id = $1 and epoch = $2
returning lane_id;

-- move_lane_and_publish: the same, and insert the batch to publish
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

-- save_published: update the last published decision of a lane, unless its epoch is higher
update lanes set published = greatest(published, $3), updated_at = now()
where lane_id = $1 and epoch = $2;

-- release_lane: the same, and remove the owner of the lane
update lanes set published = greatest(published, $3), owner_version = null, updated_at = now()
where lane_id = $1 and epoch = $2;

-- has_read: whether a group has read a topic under another id, or before it had a partition with this number
select exists (
    select from lanes cross join unnest(topics, topic_ids, partition_counts) as reading (topic, topic_id, partitions)
    where lanes.topic_prefix = $1 and lanes.group_id = $2
      and reading.topic = $3 and (reading.topic_id <> $4 or reading.partitions <= $5)
);

-- publications_above: select the batches after a decision of a lane, in order
select outputs from publications where lane_id = $1 and last_sequence > $2 order by last_sequence;

-- group_backlogs: select the lanes of a group, with the number of batches that may not be published
select lane_id, partition, epoch, sequence, published, topics, topic_ids, partition_counts, positions,
       (select count(*) from publications where publications.lane_id = lanes.lane_id and last_sequence > published)
       as unpublished
from lanes
where topic_prefix = $1 and group_id = $2
order by partition;
