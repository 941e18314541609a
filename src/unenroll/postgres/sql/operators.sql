-- take_redrive: raise the epoch, so that who put letters back before can note nothing more
insert into redrives as known (topic_prefix, epoch) values ($1, 1)
on conflict (topic_prefix) do update set epoch = known.epoch + 1
returning epoch, batch, published;

-- redrive_published: the transactions up to this one happened, unless somebody else took over
update redrives set published = $3 where topic_prefix = $1 and epoch = $2 returning batch;

-- redrive_batch: the number of the next transaction, unless somebody else took over
update redrives set batch = batch + 1, published = $3 where topic_prefix = $1 and epoch = $2 returning batch;

-- release_letters: what the transactions behind this one would have put back
delete from handled_letters where topic = any($1::text[]) and batch > $2;

-- redrive_letters: what a transaction puts back, unless that was done or is not to be; returns what it may put back
insert into handled_letters as known (topic, digest, batch, handled_by)
select topic, digest, $3, $4 from unnest($1::text[], $2::bytea[]) as letters (topic, digest)
on conflict (topic, digest) do update
set batch = excluded.batch, handled_by = excluded.handled_by, handled_at = now(), why = null
where known.batch is null and $5::boolean
returning topic, digest;

-- park_letters: what is not to be put back, unless it was; returns what was not parked before
insert into handled_letters (topic, digest, handled_by, why)
select topic, digest, $3, $4 from unnest($1::text[], $2::bytea[]) as letters (topic, digest)
on conflict do nothing
returning topic, digest;

-- letters_handled: what was done about letters; `settled`: it is known that the transaction happened
select topic, digest, batch, handled_by, handled_at, why,
       coalesce(batch <= (select published from redrives where topic_prefix = $3), true) as settled
from handled_letters
where (topic, digest) in (select * from unnest($1::text[], $2::bytea[]));

-- lanes_of_group: the lanes of a group, and how many of their publications are above what is known to be published
select lane_id, partition, epoch, sequence, published, topics, topic_ids, partition_counts, positions,
       (select count(*) from publications where publications.lane_id = lanes.lane_id and last_sequence > published)
       as unpublished
from lanes
where topic_prefix = $1 and group_id = $2
order by partition;

-- ask_to_move: who is about to set offsets, and why
insert into offset_moves (topic_prefix, group_id, moved_by, why, topics, partitions, committed, offsets)
values ($1, $2, $3, $4, $5, $6, $7, $8)
returning move_id;

-- moved: the offsets are set
update offset_moves set done_at = now() where move_id = $1;

-- latest_moves: who has set offsets of a group, the latest first
select move_id, moved_by, why, topics, partitions, committed, offsets, asked_at, done_at
from offset_moves
where topic_prefix = $1 and group_id = $2
order by move_id desc
limit $3;

-- table_blocks: how many blocks of how many bytes a table has
select pg_relation_size($1::text::regclass) / current_setting('block_size')::bigint as blocks,
       current_setting('block_size')::bigint as bytes;

-- lanes_of_prefix: the lanes of all groups that read the topics of a prefix
select lane_id from lanes where topic_prefix = $1;

-- prunable_ledger: how many events in these blocks are old, and not on their topics any more
select count(*) from ledger
where ctid >= $1::tid and ctid < $2::tid and decided_at < $3 and (lane_id is null or lane_id = any($4::integer[]))
  and not exists (
      select from unnest($5::text[], $6::integer[], $7::bigint[]) as held (topic_id, partition, first)
      where held.topic_id = ledger.topic_id and held.partition = ledger.partition and ledger."offset" >= held.first
  );

-- prune_ledger: forget them
with gone as (
    delete from ledger
    where ctid >= $1::tid and ctid < $2::tid and decided_at < $3 and (lane_id is null or lane_id = any($4::integer[]))
      and not exists (
          select from unnest($5::text[], $6::integer[], $7::bigint[]) as held (topic_id, partition, first)
          where held.topic_id = ledger.topic_id and held.partition = ledger.partition and ledger."offset" >= held.first
      )
    returning 1
)
select count(*) from gone;

-- prunable_dead_letters: how many dead letters in these blocks are old, and their records not on their topics any more
select count(*) from dead_letters
where ctid >= $1::tid and ctid < $2::tid and decided_at < $3 and lane_id = any($4::integer[])
  and not exists (
      select from unnest($5::text[], $6::integer[], $7::bigint[]) as held (topic_id, partition, first)
      where held.topic_id = dead_letters.topic_id and held.partition = dead_letters.partition
        and dead_letters."offset" >= held.first
  );

-- prune_dead_letters: forget them
with gone as (
    delete from dead_letters
    where ctid >= $1::tid and ctid < $2::tid and decided_at < $3 and lane_id = any($4::integer[])
      and not exists (
          select from unnest($5::text[], $6::integer[], $7::bigint[]) as held (topic_id, partition, first)
          where held.topic_id = dead_letters.topic_id and held.partition = dead_letters.partition
            and dead_letters."offset" >= held.first
      )
    returning 1
)
select count(*) from gone;

-- prunable_publications: how many batches in these blocks are old, and known to be published
select count(*) from publications
where ctid >= $1::tid and ctid < $2::tid and decided_at < $3 and lane_id = any($4::integer[])
  and last_sequence <= (select published from lanes where lanes.lane_id = publications.lane_id);

-- prune_publications: forget them
with gone as (
    delete from publications
    where ctid >= $1::tid and ctid < $2::tid and decided_at < $3 and lane_id = any($4::integer[])
      and last_sequence <= (select published from lanes where lanes.lane_id = publications.lane_id)
    returning 1
)
select count(*) from gone;

-- prunable_handled_letters: of how many letters in these blocks it is long known what was done about them
select count(*) from handled_letters
where ctid >= $1::tid and ctid < $2::tid and handled_at < $3 and starts_with(topic, $4);

-- prune_handled_letters: forget it
with gone as (
    delete from handled_letters
    where ctid >= $1::tid and ctid < $2::tid and handled_at < $3 and starts_with(topic, $4)
    returning 1
)
select count(*) from gone;

-- next_customers: customers from this one on of whom something was decided, or is known
select customer_id
from (
    (select distinct customer_id from accounts where customer_id >= $1 order by customer_id limit $2)
    union
    (select distinct customer_id from ledger where customer_id >= $1 order by customer_id limit $2)
) as either
order by customer_id
limit $2;

-- accounts_about: about how many accounts there are
select greatest(reltuples, 0)::bigint from pg_class where oid = 'accounts'::regclass;

-- accounts_of: the accounts of some customers, not locked
select customer_id, target_id, decisions, waits, facts
from accounts
where customer_id = any($1::bigint[])
order by customer_id, target_id;

-- receipts_of: what the ledger has of some customers
select customer_id, target_id, event_key, event_type, content_version, content_hash, outcome::text, decision
from ledger
where customer_id = any($1::bigint[]);

-- oldest_publication: when the oldest of the bytes that are kept were decided
select min(decided_at) from publications;

-- published_lanes: the lanes of a group, and how far each is known to have published
select partition, lane_id, published from lanes where topic_prefix = $1 and group_id = $2 order by partition;

-- begin_replay: note what a replay is asked for, unless it was begun before
insert into replays (replay_id, topic_prefix, group_id, selection, partitions, lane_ids, until)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing;

-- replay: what a replay was asked for, and whether it is done
select topic_prefix, group_id, selection, partitions, lane_ids, until, finished_at
from replays
where replay_id = $1;

-- finish_replay: all of a replay is published
update replays set finished_at = now() where replay_id = $1 and finished_at is null;

-- publications_between: what a lane decided after one number and up to another, some of it, in its order
select last_sequence, outputs, decided_at
from publications
where lane_id = $1 and last_sequence > $2 and last_sequence <= $3
order by last_sequence
limit $4;
