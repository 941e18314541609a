-- ping: whether Postgres answers
select 1;

-- tables_version: select the version of the tables, which is that of the last migration
select version_num from alembic_version;

-- oldest_program: select the version of the oldest program that works with the tables
select version from oldest_program;

-- try_advisory_lock: take an advisory lock by name, unless another session has it
select pg_try_advisory_lock(hashtextextended('unenroll ' || $1, 0));
