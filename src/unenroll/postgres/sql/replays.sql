-- published_lanes: select the lanes of a group with their last published decisions
select partition, lane_id, published from lanes where topic_prefix = $1 and group_id = $2 order by partition;

-- begin_replay: record a replay, unless its id is recorded already
insert into replays (replay_id, topic_prefix, group_id, selection, partitions, lane_ids, until)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing;

-- replay: select a replay
select topic_prefix, group_id, selection, partitions, lane_ids, until, finished_at
from replays
where replay_id = $1;

-- finish_replay: record that a replay has published everything
update replays set finished_at = now() where replay_id = $1 and finished_at is null;

-- publications_between: select some of the batches of a lane after one decision and up to another, in order
select last_sequence, outputs, decided_at
from (
    select last_sequence, outputs, decided_at,
           sum(octet_length(outputs)) over (order by last_sequence) - octet_length(outputs) as bytes_before
    from (
        select last_sequence, outputs, decided_at
        from publications
        where lane_id = $1 and last_sequence > $2 and last_sequence <= $3
        order by last_sequence
        limit $4
    ) as batch
) as sized
where bytes_before < $5
order by last_sequence;
