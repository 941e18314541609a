-- table_blocks: select the number of blocks of a table, and their size in bytes
select pg_relation_size($1::text::regclass) / current_setting('block_size')::bigint as blocks,
       current_setting('block_size')::bigint as bytes;

-- lanes_of_prefix: select the lanes of all groups that read topics with a prefix
select lane_id from lanes where topic_prefix = $1;

-- prunable_ledger: count old rows in a range of blocks whose records have left their topics
select count(*) from ledger
where ctid >= $1::tid and ctid < $2::tid and decided_at < $3 and (lane_id is null or lane_id = any($4::integer[]))
  and not exists (
      select from unnest($5::text[], $6::integer[], $7::bigint[]) as retained (topic_id, partition, first)
      where retained.topic_id = ledger.topic_id and retained.partition = ledger.partition
        and ledger."offset" >= retained.first
  );

-- prune_ledger: delete these rows
with deleted as (
    delete from ledger
    where ctid >= $1::tid and ctid < $2::tid and decided_at < $3 and (lane_id is null or lane_id = any($4::integer[]))
      and not exists (
          select from unnest($5::text[], $6::integer[], $7::bigint[]) as retained (topic_id, partition, first)
          where retained.topic_id = ledger.topic_id and retained.partition = ledger.partition
            and ledger."offset" >= retained.first
      )
    returning 1
)
select count(*) from deleted;

-- prunable_api_requests: count old rows in a range of blocks whose events are not in the ledger or pruned from it
select count(*) from api_requests as request
where ctid >= $1::tid and ctid < $2::tid and created_at < $3
  and not exists (
      select from ledger
      where ledger.customer_id = request.customer_id and ledger.event_key = request.event_key
        and (decided_at >= $3 or lane_id <> all($4::integer[]) or exists (
            select from unnest($5::text[], $6::integer[], $7::bigint[]) as retained (topic_id, partition, first)
            where retained.topic_id = ledger.topic_id and retained.partition = ledger.partition
              and ledger."offset" >= retained.first
        ))
  );

-- prune_api_requests: delete these rows
with deleted as (
    delete from api_requests as request
    where ctid >= $1::tid and ctid < $2::tid and created_at < $3
      and not exists (
          select from ledger
          where ledger.customer_id = request.customer_id and ledger.event_key = request.event_key
            and (decided_at >= $3 or lane_id <> all($4::integer[]) or exists (
                select from unnest($5::text[], $6::integer[], $7::bigint[]) as retained (topic_id, partition, first)
                where retained.topic_id = ledger.topic_id and retained.partition = ledger.partition
                  and ledger."offset" >= retained.first
            ))
      )
    returning 1
)
select count(*) from deleted;

-- prunable_dead_letters: count old rows in a range of blocks whose records have left their topics
select count(*) from dead_letters
where ctid >= $1::tid and ctid < $2::tid and decided_at < $3 and lane_id = any($4::integer[])
  and not exists (
      select from unnest($5::text[], $6::integer[], $7::bigint[]) as retained (topic_id, partition, first)
      where retained.topic_id = dead_letters.topic_id and retained.partition = dead_letters.partition
        and dead_letters."offset" >= retained.first
  );

-- prune_dead_letters: delete these rows
with deleted as (
    delete from dead_letters
    where ctid >= $1::tid and ctid < $2::tid and decided_at < $3 and lane_id = any($4::integer[])
      and not exists (
          select from unnest($5::text[], $6::integer[], $7::bigint[]) as retained (topic_id, partition, first)
          where retained.topic_id = dead_letters.topic_id and retained.partition = dead_letters.partition
            and dead_letters."offset" >= retained.first
      )
    returning 1
)
select count(*) from deleted;

-- prunable_publications: count the old batches in a range of blocks that are known to be published
select count(*) from publications
where ctid >= $1::tid and ctid < $2::tid and decided_at < $3 and lane_id = any($4::integer[])
  and last_sequence <= (select published from lanes where lanes.lane_id = publications.lane_id);

-- prune_publications: delete these rows
with deleted as (
    delete from publications
    where ctid >= $1::tid and ctid < $2::tid and decided_at < $3 and lane_id = any($4::integer[])
      and last_sequence <= (select published from lanes where lanes.lane_id = publications.lane_id)
    returning 1
)
select count(*) from deleted;

-- prunable_handled_letters: count the letters in a range of blocks that were redriven or parked long ago
select count(*) from handled_letters
where ctid >= $1::tid and ctid < $2::tid and handled_at < $3 and starts_with(topic, $4);

-- prune_handled_letters: delete these rows
with deleted as (
    delete from handled_letters
    where ctid >= $1::tid and ctid < $2::tid and handled_at < $3 and starts_with(topic, $4)
    returning 1
)
select count(*) from deleted;
