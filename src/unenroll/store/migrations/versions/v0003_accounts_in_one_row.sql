-- An account is read and written as a whole, so it is one row: its facts, and what they were last settled to, are one
-- JSON text of arrays (wire/account.py). Only people ask for a single reward by SQL: they have the views below.
alter table accounts add column facts text not null default '[1,0,[],[],[],{},[],[],[[],[],[],[]]]';

create function pg_temp.instant(moment timestamptz) returns text language sql immutable as
    $$ select to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;

with enrollments_of as (
    select customer_id, target_id,
           json_agg(json_build_array(
               json_build_array(id, source), pg_temp.instant(enrolled_at), from_cycle, initial_balance::text,
               reset_streak_status, origin
           ) order by enrolled_at, id, source) as facts,
           json_agg(pg_temp.instant(seen_at) order by enrolled_at, id, source) as seen
    from enrollments group by customer_id, target_id
),
placed_leaves as (
    select leaves.*,
           row_number() over (partition by customer_id, target_id order by effective_at, id, source) - 1 as place
    from leaves
),
leaves_of as (
    select customer_id, target_id,
           json_agg(json_build_array(
               json_build_array(id, source), pg_temp.instant(effective_at), reason, requested_by
           ) order by place) as facts,
           json_agg(json_build_array(outcome, first_dropped) order by place) as settled,
           json_agg(pg_temp.instant(seen_at) order by place) as seen
    from placed_leaves group by customer_id, target_id
),
rewards_of as (
    select rewards.customer_id, rewards.target_id,
           json_agg(json_build_array(
               reward_id, cycle, allocation, pg_temp.instant(achieved_at), level,
               case when amount is not null then json_build_array(amount::text, unit) end
           ) order by cycle, reward_id) as facts,
           json_agg(json_build_array(state, rule, action, revision, governing.place, cancelling.place)
               order by cycle, reward_id) as settled,
           json_agg(pg_temp.instant(rewards.seen_at) order by cycle, reward_id) as seen
    from rewards
    left join placed_leaves as governing
        on (governing.customer_id, governing.target_id, governing.id, governing.source)
            = (rewards.customer_id, rewards.target_id, leave_id, leave_source)
    left join placed_leaves as cancelling
        on (cancelling.customer_id, cancelling.target_id, cancelling.id, cancelling.source)
            = (rewards.customer_id, rewards.target_id, cancelled_id, cancelled_source)
    group by rewards.customer_id, rewards.target_id
),
issuances_of as (
    select customer_id, target_id,
           json_object_agg(reward_id, pg_temp.instant(issued_at) order by reward_id) as facts,
           json_agg(pg_temp.instant(seen_at) order by reward_id) as seen
    from issuances group by customer_id, target_id
)
update accounts
set facts = json_build_array(
    1, known.revision,
    coalesce(enrollments_of.facts, '[]'), coalesce(leaves_of.facts, '[]'), coalesce(rewards_of.facts, '[]'),
    coalesce(issuances_of.facts, '{}'), coalesce(leaves_of.settled, '[]'), coalesce(rewards_of.settled, '[]'),
    json_build_array(
        coalesce(enrollments_of.seen, '[]'), coalesce(leaves_of.seen, '[]'), coalesce(rewards_of.seen, '[]'),
        coalesce(issuances_of.seen, '[]')
    )
)::text
from accounts as known
left join enrollments_of using (customer_id, target_id)
left join leaves_of using (customer_id, target_id)
left join rewards_of using (customer_id, target_id)
left join issuances_of using (customer_id, target_id)
where accounts.customer_id = known.customer_id and accounts.target_id = known.target_id;

alter table accounts alter column facts drop default, drop column revision;
drop table enrollments, leaves, rewards, issuances;

-- For people, and for what counts over all accounts.
create view enrollments as
select customer_id, target_id, fact -> 0 ->> 0 as id, fact -> 0 ->> 1 as source,
       (fact ->> 1)::timestamptz as enrolled_at, (fact ->> 2)::integer as from_cycle,
       (fact ->> 3)::numeric as initial_balance, (fact ->> 4)::boolean as reset_streak_status,
       (fact ->> 5)::origin as origin, (facts::json -> 8 -> 0 ->> (place - 1)::integer)::timestamptz as seen_at
from accounts cross join lateral json_array_elements(facts::json -> 2) with ordinality as listed (fact, place);

create view leaves as
select customer_id, target_id, fact -> 0 ->> 0 as id, fact -> 0 ->> 1 as source,
       (fact ->> 1)::timestamptz as effective_at, fact ->> 2 as reason, fact ->> 3 as requested_by,
       (settled ->> 0)::outcome as outcome, (settled ->> 1)::integer as first_dropped,
       (facts::json -> 8 -> 1 ->> (place - 1)::integer)::timestamptz as seen_at
from accounts
cross join lateral json_array_elements(facts::json -> 3) with ordinality as listed (fact, place)
cross join lateral (select facts::json -> 6 -> (place - 1)::integer as settled) as now;

create view rewards as
select customer_id, target_id, fact ->> 0 as reward_id, (fact ->> 1)::integer as cycle,
       (fact ->> 2)::allocation as allocation, (fact ->> 3)::timestamptz as achieved_at,
       (fact ->> 4)::bigint as level, (fact -> 5 ->> 0)::numeric as amount, fact -> 5 ->> 1 as unit,
       (settled ->> 0)::reward_state as state, (settled ->> 1)::reward_rule as rule,
       (settled ->> 2)::reward_action as action, (settled ->> 3)::integer as revision,
       -- the leave that governs it now, and the one that was named when it was last cancelled
       facts::json -> 3 -> (settled ->> 4)::integer -> 0 ->> 0 as leave_id,
       facts::json -> 3 -> (settled ->> 4)::integer -> 0 ->> 1 as leave_source,
       facts::json -> 3 -> (settled ->> 5)::integer -> 0 ->> 0 as cancelled_id,
       facts::json -> 3 -> (settled ->> 5)::integer -> 0 ->> 1 as cancelled_source,
       (facts::json -> 8 -> 2 ->> (place - 1)::integer)::timestamptz as seen_at
from accounts
cross join lateral json_array_elements(facts::json -> 4) with ordinality as listed (fact, place)
cross join lateral (select facts::json -> 7 -> (place - 1)::integer as settled) as now;

create view issuances as
select customer_id, target_id, reward_id, issued_at::timestamptz as issued_at,
       (facts::json -> 8 -> 3 ->> (place - 1)::integer)::timestamptz as seen_at
from accounts cross join lateral json_each_text(facts::json -> 5) with ordinality as listed (reward_id, issued_at, place);
