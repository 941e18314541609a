-- missing_rights: select those of the rights on tables that the current role lacks
select name, needed, quote_ident(current_user) as role
from unnest($1::text[], $2::text[]) with ordinality as rights (name, needed, place)
where not has_table_privilege(to_regclass(name), needed)
order by place;

-- closed_schemas: select the schema of the tables, if the current role has no right to use it
select quote_ident(nspname) as name, quote_ident(current_user) as role
from pg_class join pg_namespace on pg_namespace.oid = relnamespace
where relname = 'alembic_version' and to_regclass('alembic_version') is null
  and not has_schema_privilege(pg_namespace.oid, 'usage');
