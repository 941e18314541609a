-- Roles with just the rights that each part of Unenroll needs. Run by a superuser in the database, before the first
-- `unenroll migrate`; safe to repeat:
--
--   psql --set ON_ERROR_STOP=1 --file deploy/postgres/roles.sql "$ADMIN_URL"
--   unenroll migrate                                                as somebody in unenroll_owner
--   psql --set ON_ERROR_STOP=1 --file deploy/postgres/grants.sql "$OWNER_URL"      and after each later migration
--
-- Nobody logs in as one of these roles. Who does is in one of them, two at a time while a password is changed:
--
--   create role worker_a login password '...' in role unenroll_worker;
--   create role migrator_a login password '...' in role unenroll_owner;
--   alter role migrator_a set role to unenroll_owner;               so that the tables are not his, but the owner's

do $$
declare
    name text;
begin
    foreach name in array array['owner', 'worker', 'api', 'reader', 'operator'] loop
        if not exists (select from pg_roles where rolname = 'unenroll_' || name) then
            execute format('create role %I nologin', 'unenroll_' || name);
        end if;
    end loop;
    execute format('revoke all on database %I from public', current_database());
    execute format(
        'grant connect on database %I to unenroll_owner, unenroll_worker, unenroll_api, unenroll_reader, '
        'unenroll_operator',
        current_database()
    );
    execute format('grant temporary on database %I to unenroll_owner', current_database());  -- migrations use it
end
$$;

grant unenroll_reader to unenroll_operator;  -- who may change tables may look at them

revoke all on schema public from public;
grant usage, create on schema public to unenroll_owner;
grant usage on schema public to unenroll_worker, unenroll_api, unenroll_reader, unenroll_operator;
