-- An account is read and written as a whole, so it is one row: its facts, and what they were last settled to, are one
-- JSON text of arrays (wire/account.py). Only people ask for a single reward by SQL: they have the views below.
alter table accounts add column facts text not null default '[1,0,[],[],[],[]]';

create function pg_temp.instant(moment timestamptz) returns text language sql immutable as
    $$ select to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;

with numbered as (
    select leaves.*, row_number() over (partition by customer_id, target_id order by effective_at, id, source) - 1 as place
    from leaves
),
enrollments_of as (
    select customer_id, target_id, json_agg(json_build_array(
        id, source, pg_temp.instant(enrolled_at), from_cycle, initial_balance::text, reset_streak_status, origin,
        pg_temp.instant(seen_at)
    ) order by enrolled_at, id, source) as facts
    from enrollments group by customer_id, target_id
),
leaves_of as (
    select customer_id, target_id, json_agg(json_build_array(
        id, source, pg_temp.instant(effective_at), reason, requested_by, outcome, first_dropped,
        pg_temp.instant(seen_at)
    ) order by place) as facts
    from numbered group by customer_id, target_id
),
rewards_of as (
    select rewards.customer_id, rewards.target_id, json_agg(json_build_array(
        reward_id, cycle, allocation, pg_temp.instant(achieved_at), level, amount::text, unit,
        state, rule, action, revision, governing.place, cancelling.place, pg_temp.instant(rewards.seen_at)
    ) order by cycle, reward_id) as facts
    from rewards
    left join numbered as governing
        on (governing.customer_id, governing.target_id, governing.id, governing.source)
            = (rewards.customer_id, rewards.target_id, leave_id, leave_source)
    left join numbered as cancelling
        on (cancelling.customer_id, cancelling.target_id, cancelling.id, cancelling.source)
            = (rewards.customer_id, rewards.target_id, cancelled_id, cancelled_source)
    group by rewards.customer_id, rewards.target_id
),
issuances_of as (
    select customer_id, target_id, json_agg(json_build_array(
        reward_id, pg_temp.instant(issued_at), pg_temp.instant(seen_at)
    ) order by reward_id) as facts
    from issuances group by customer_id, target_id
)
update accounts
set facts = json_build_array(
    1, known.revision, coalesce(enrollments_of.facts, '[]'), coalesce(leaves_of.facts, '[]'),
    coalesce(rewards_of.facts, '[]'), coalesce(issuances_of.facts, '[]')
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
select customer_id, target_id, fact ->> 0 as id, fact ->> 1 as source, (fact ->> 2)::timestamptz as enrolled_at,
       (fact ->> 3)::integer as from_cycle, (fact ->> 4)::numeric as initial_balance,
       (fact ->> 5)::boolean as reset_streak_status, (fact ->> 6)::origin as origin,
       (fact ->> 7)::timestamptz as seen_at
from accounts cross join lateral json_array_elements(facts::json -> 2) as fact;

create view leaves as
select customer_id, target_id, fact ->> 0 as id, fact ->> 1 as source, (fact ->> 2)::timestamptz as effective_at,
       fact ->> 3 as reason, fact ->> 4 as requested_by, (fact ->> 5)::outcome as outcome,
       (fact ->> 6)::integer as first_dropped, (fact ->> 7)::timestamptz as seen_at
from accounts cross join lateral json_array_elements(facts::json -> 3) as fact;

create view rewards as
select customer_id, target_id, fact ->> 0 as reward_id, (fact ->> 1)::integer as cycle,
       (fact ->> 2)::allocation as allocation, (fact ->> 3)::timestamptz as achieved_at,
       (fact ->> 4)::bigint as level, (fact ->> 5)::numeric as amount, fact ->> 6 as unit,
       (fact ->> 7)::reward_state as state, (fact ->> 8)::reward_rule as rule, (fact ->> 9)::reward_action as action,
       (fact ->> 10)::integer as revision,
       governing ->> 0 as leave_id, governing ->> 1 as leave_source, -- the leave that governs it now
       cancelling ->> 0 as cancelled_id, cancelling ->> 1 as cancelled_source, -- named when it was last cancelled
       (fact ->> 13)::timestamptz as seen_at
from accounts
cross join lateral json_array_elements(facts::json -> 4) as fact
cross join lateral (
    select facts::json -> 3 -> (fact ->> 11)::integer as governing,
           facts::json -> 3 -> (fact ->> 12)::integer as cancelling
) as named;

create view issuances as
select customer_id, target_id, fact ->> 0 as reward_id, (fact ->> 1)::timestamptz as issued_at,
       (fact ->> 2)::timestamptz as seen_at
from accounts cross join lateral json_array_elements(facts::json -> 5) as fact;
