-- The oldest program that works with these tables, by the version of the tables that it was written for.
create table oldest_program (version text not null);
insert into oldest_program values ('0007');

alter table lanes
    add column owner_version text,  -- the version that the program which holds the lane was written for; null: none does
    add column owner_epoch   bigint; -- the epoch that it took. If the lane has another one, an older program took it since
