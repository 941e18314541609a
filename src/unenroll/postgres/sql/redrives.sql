-- take_redrive: increase the epoch of a topic prefix, so that earlier redrives stop
insert into redrives as existing (topic_prefix, epoch) values ($1, 1)
on conflict (topic_prefix) do update set epoch = existing.epoch + 1
returning epoch, batch, published;

-- redrive_published: save the last committed transaction of the redrives, unless another redrive has taken over
update redrives set published = $3 where topic_prefix = $1 and epoch = $2 returning batch;

-- next_redrive_batch: number the next transaction of the redrives, unless another redrive has taken over
update redrives set batch = batch + 1, published = $3 where topic_prefix = $1 and epoch = $2 returning batch;

-- release_letters: reopen the letters of later transactions, which did not commit
delete from handled_letters where topic = any($1::text[]) and batch > $2;

-- redrive_letters: record which letters a transaction sends: open ones, and parked ones if $5
insert into handled_letters as existing (topic, digest, batch, handled_by)
select topic, digest, $3, $4 from unnest($1::text[], $2::bytea[]) as letters (topic, digest)
on conflict (topic, digest) do update
set batch = excluded.batch, handled_by = excluded.handled_by, handled_at = now(), why = null
where existing.batch is null and $5::boolean
returning topic, digest;

-- park_letters: park letters that are open, and return them
insert into handled_letters (topic, digest, handled_by, why)
select topic, digest, $3, $4 from unnest($1::text[], $2::bytea[]) as letters (topic, digest)
on conflict do nothing
returning topic, digest;

-- handled_letters: select what was done about letters; settled: it is known that the transaction committed
select topic, digest, batch, handled_by, handled_at, why,
       coalesce(batch <= (select published from redrives where topic_prefix = $3), true) as settled
from handled_letters
where (topic, digest) in (select * from unnest($1::text[], $2::bytea[]));
