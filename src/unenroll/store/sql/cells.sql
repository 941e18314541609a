-- make_cell: from now on the database has the lanes that have a row, and makes no others
insert into cells (topic_prefix, group_id) values ($1, $2) on conflict do nothing;

-- nobody_makes_lanes: nobody makes a lane until the transaction ends
lock table lanes in share row exclusive mode;

-- claim_lanes: the cell has these lanes
insert into lanes (topic_prefix, group_id, partition) select $1, $2, number from unnest($3::integer[]) as number
on conflict (topic_prefix, group_id, partition) do nothing;

-- strangers: groups that share the database
select distinct topic_prefix, group_id from lanes where (topic_prefix, group_id) <> ($1, $2);

-- is_cell: whether the database is a cell of the group, and whether it holds anything of it
select exists (select from cells where topic_prefix = $1 and group_id = $2) as cell,
       exists (select from lanes where topic_prefix = $1 and group_id = $2) as lanes,
       exists (select from ledger) as decisions;

-- oldest_is: programs that are older than this do not work with these tables any more
update oldest_program set version = greatest(version, $1);

-- lane_homes: where the lanes of a group are
select partition, lane_id, home, move_id, sequence from lanes where topic_prefix = $1 and group_id = $2 order by partition;

-- note_move: what is about to move, unless it is noted already
insert into lane_moves (move_id, topic_prefix, group_id, partition, came_from, goes_to, copied_above, moved_by, why)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict do nothing;

-- noted_move: the move of a lane
select move_id, copied_above, goes_to from lane_moves where move_id = $1 and partition = $2;

-- note_copied: what was decided up to this number is copied
update lane_moves set copied_above = $3 where move_id = $1 and partition = $2;

-- move_done: it has moved
update lane_moves set done_at = now() where move_id = $1 and partition = $2 and done_at is null;

-- moves_given_up: a lane stays
update lane_moves set done_at = now() where topic_prefix = $1 and group_id = $2 and partition = $3 and done_at is null;

-- moves_under_way: the lanes of all groups that are on their way
select distinct partition from lane_moves where done_at is null order by partition;

-- all_erased: who was erased
select customer_id, erased_at, until from erased_customers;

-- save_erased: customers who were erased, as another database has it
insert into erased_customers as known (customer_id, erased_at, until)
select * from unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[])
on conflict (customer_id) do update
set erased_at = greatest(known.erased_at, excluded.erased_at), until = greatest(known.until, excluded.until);

-- latest_lane_moves: what moved last
select move_id, partition, came_from, goes_to, moved_by, why, asked_at, done_at
from lane_moves where topic_prefix = $1 and group_id = $2 order by asked_at desc, partition limit $3;

-- await_lane: the lane is to come here
insert into lanes as lane (topic_prefix, group_id, partition, home, move_id) values ($1, $2, $3, 'arriving', $4)
on conflict (topic_prefix, group_id, partition) do update set home = 'arriving', move_id = $4
where lane.home = 'gone' or (lane.home = 'arriving' and lane.move_id = $4)
returning lane_id;

-- hold_leaving: nobody decides the lane here any more; it is on its way by this move
update lanes
set home = 'leaving', move_id = $4, epoch = epoch + 1, owner_version = null, owner_epoch = epoch + 1, updated_at = now()
where topic_prefix = $1 and group_id = $2 and partition = $3 and (home = 'here' or (home = 'leaving' and move_id = $4))
returning lane_id, partition, epoch, sequence, published, topics, topic_ids, partition_counts, positions;

-- lane_stays: it does not move after all
update lanes
set home = 'here', move_id = null, epoch = epoch + 1, owner_version = null, owner_epoch = epoch + 1, updated_at = now()
where lane_id = $1 and home = 'leaving' and move_id = $2
returning lane_id;

-- lane_not_awaited: it does not come after all
update lanes set home = 'gone', move_id = null where topic_prefix = $1 and group_id = $2 and partition = $3
  and home = 'arriving' and move_id = $4;

-- lane_gone: it is decided elsewhere from now on, for who held it last for this move
update lanes set home = 'gone', updated_at = now()
where lane_id = $1 and home = 'leaving' and move_id = $2 and epoch = $3
returning lane_id;

-- write_arriving: the lane as it was where it comes from
update lanes
set epoch = greatest(epoch, $3) + 1, owner_version = null, owner_epoch = greatest(epoch, $3) + 1, sequence = $4,
    published = $4, topics = $5, topic_ids = $6, partition_counts = $7, positions = $8, updated_at = now()
where lane_id = $1 and home = 'arriving' and move_id = $2
returning lane_id;

-- lane_arrived: it is decided here from now on
update lanes set home = 'here', updated_at = now() where lane_id = $1 and home = 'arriving' and move_id = $2
returning lane_id;

-- takes_long: moving takes longer than a lane may
set statement_timeout = '0'; set idle_in_transaction_session_timeout = '60s';

-- index_moves: to find what a lane has decided above a number
create index concurrently if not exists ledger_of_moving_lanes on ledger (lane_id, sequence, customer_id);

-- broken_index: whether the index was left unfinished
select exists (
    select from pg_index where indexrelid = to_regclass('ledger_of_moving_lanes') and not indisvalid
);

-- drop_index: nothing moves any more
drop index concurrently if exists ledger_of_moving_lanes;

-- decided_above: of whom the lane has decided something above this number
select distinct customer_id from ledger where lane_id = $1 and sequence > $2 order by customer_id;

-- others_decided: customers of whom another lane has decided something as well
select distinct customer_id from ledger where customer_id = any($1::bigint[]) and lane_id <> $2 limit 10;

-- called_since: who called the front door since the lane's move was asked for, as far as clocks agree
select distinct customer_id from front_door_requests
where created_at >= (select asked_at from lane_moves where move_id = $1 and partition = $2) - $3::interval;

-- moved_ledger: ledger rows of some customers, as rows of the lane where they arrive
select customer_id, event_key, event_type, content_version, content_hash, event_time, target_id, outcome, decision,
       case when lane_id is not null then $2::integer end as lane_id, sequence, topic_id, partition, "offset", decided_at
from ledger where customer_id = any($1::bigint[]);

-- moved_accounts: accounts of some customers; whether they wait is told when the lane has arrived
select customer_id, target_id, decisions, false as waits, facts from accounts where customer_id = any($1::bigint[]);

-- moved_front_door_requests: their calls
select request_id, caller, event_type, fingerprint, customer_id, target_id, event_key, event_time, traceparent, data,
       answer, created_at
from front_door_requests where customer_id = any($1::bigint[]);

-- moved_publications: some publications of a lane, as those of the lane where they arrive
select $2::integer as lane_id, last_sequence, first_sequence, outputs, decided_at
from publications where lane_id = $1 and last_sequence > $3 and last_sequence <= $4;

-- next_publications: up to where the next publications of a lane reach
select max(last_sequence)
from (select last_sequence from publications where lane_id = $1 and last_sequence > $2
      order by last_sequence limit 500) as next;

-- moved_dead_letters: dead letters of a lane, as those of the lane where they arrive
select topic, digest, reason, detail, $2::integer as lane_id, sequence, topic_id, partition, "offset", redrives, decided_at
from dead_letters where lane_id = $1;

-- moved_handled_letters: what was done about them; the number of a transaction is of use only where it was given
select handled.topic, handled.digest, case when handled.batch is not null then 0::bigint end as batch,
       handled_by, handled_at, why
from handled_letters as handled join dead_letters using (topic, digest) where dead_letters.lane_id = $1;

-- unsettled_letters: whether it is not known of all letters whether they were put back
select exists (
    select from handled_letters join redrives on starts_with(topic, topic_prefix) where handled_letters.batch > published
);

-- unfinished_replays: replays of a group that are under way
select replay_id from replays where topic_prefix = $1 and group_id = $2 and finished_at is null;

-- forget_ledger_of: the rows of some customers
delete from ledger where customer_id = any($1::bigint[]);

-- forget_accounts_of: the accounts of some customers
delete from accounts where customer_id = any($1::bigint[]);

-- forget_calls_of: the calls of some customers
delete from front_door_requests where customer_id = any($1::bigint[]);

-- forget_due_of: that some customers are to be settled again
delete from settlements_due where customer_id = any($1::bigint[]);

-- forget_publications_above: of a lane
delete from publications where lane_id = $1 and last_sequence > $2;

-- forget_publications_up_to: of a lane, some
delete from publications where lane_id = $1 and last_sequence <= $2;

-- forget_handled_letters_of: what was done about the letters of a lane
delete from handled_letters using dead_letters
where (dead_letters.topic, dead_letters.digest) = (handled_letters.topic, handled_letters.digest) and lane_id = $1;

-- forget_dead_letters_of: the letters of a lane
delete from dead_letters where lane_id = $1;

-- share_all_groups: all definitions, which cannot change before the transaction ends
select group_id, version, definition from target_groups order by group_id for share;

-- all_waiting: the accounts that wait for cycles
select customer_id, target_id from accounts where waits;

-- set_waiting: whether accounts wait
update accounts set waits = $3
where (customer_id, target_id) in (select * from unnest($1::bigint[], $2::bigint[])) and waits <> $3;

-- all_due: who is to be settled again
select customer_id, target_id, group_id, version, due_at from settlements_due;

-- save_arrived_due: who is to be settled again, from where it was noted before
insert into settlements_due (customer_id, target_id, group_id, version, due_at)
select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[])
on conflict do nothing;

-- save_due_of: some accounts of a group are to be settled again
insert into settlements_due (customer_id, target_id, group_id, version, due_at)
select customer_id, target_id, targets.group_id, target_groups.version, now()
from unnest($1::bigint[], $2::bigint[]) as moved (customer_id, target_id)
join targets using (target_id) join target_groups on target_groups.group_id = targets.group_id
where target_groups.group_id = any($3::bigint[])
on conflict do nothing;

-- handing_over_takes_time: longer than a transaction of a lane may idle
set local idle_in_transaction_session_timeout = '60s';

-- is_a_cell: whether the database is a cell of the group
select exists (select from cells where topic_prefix = $1 and group_id = $2);
