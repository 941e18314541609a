-- begin_offset_changes: record a change of offsets before it happens
insert into offset_moves (topic_prefix, group_id, moved_by, why, topics, partitions, committed, offsets)
values ($1, $2, $3, $4, $5, $6, $7, $8)
returning move_id;

-- finish_offset_changes: record that a change of offsets is done
update offset_moves set done_at = now() where move_id = $1;

-- latest_offset_changes: select the latest changes of the offsets of a group
select move_id, moved_by, why, topics, partitions, committed, offsets, asked_at, done_at
from offset_moves
where topic_prefix = $1 and group_id = $2
order by move_id desc
limit $3;
