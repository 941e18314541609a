-- known_events: select the contents of those of the events that the ledger has
select customer_id, event_key, content_version, content_hash, event_time
from ledger
where (customer_id, event_key) in (select * from unnest($1::bigint[], $2::uuid[]));

-- ledger_outcomes: select the contents and outcomes of those of the events that the ledger has
select customer_id, event_key, content_version, content_hash, event_time,
       coalesce(outcome::text, event_type) as outcome_or_type
from ledger
where (customer_id, event_key) in (select * from unnest($1::bigint[], $2::uuid[]));

-- known_dead_letters: select the reasons of those of the records of a topic that are dead letters
select digest, reason from dead_letters where topic = $1 and digest = any($2::bytea[]);
