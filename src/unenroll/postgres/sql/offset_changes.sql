-- begin_offset_changes: record a change of offsets before it happens
insert into offset_changes (topic_prefix, group_id, changed_by, why, topics, partitions, committed, offsets)
values ($1, $2, $3, $4, $5, $6, $7, $8)
returning change_id;

-- finish_offset_changes: record that a change of offsets is done
update offset_changes set done_at = now() where change_id = $1;

-- latest_offset_changes: select the latest changes of the offsets of a group
select change_id, changed_by, why, topics, partitions, committed, offsets, asked_at, done_at
from offset_changes
where topic_prefix = $1 and group_id = $2
order by change_id desc
limit $3;
