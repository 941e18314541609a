-- missing_rights: which of these rights on tables we lack
select name, needed, quote_ident(current_user) as who
from unnest($1::text[], $2::text[]) with ordinality as wanted (name, needed, place)
where not has_table_privilege(to_regclass(name), needed)
order by place;

-- closed_schemas: the schema of our tables, if we may not look into it
select quote_ident(nspname) as name, quote_ident(current_user) as who
from pg_class join pg_namespace on pg_namespace.oid = relnamespace
where relname = 'alembic_version' and to_regclass('alembic_version') is null
  and not has_schema_privilege(pg_namespace.oid, 'usage');
