-- lock_accounts: select accounts and lock them, in the order of their keys so that lanes cannot deadlock; facts only of
-- small accounts
select customer_id, target_id, decisions, waits, case when octet_length(facts) <= $3 then facts end, octet_length(facts)
from accounts
where (customer_id, target_id) in (select * from unnest($1::bigint[], $2::bigint[]))
order by customer_id, target_id
for update;

-- read_accounts: select accounts without a lock
select customer_id, target_id, decisions, waits, facts
from accounts
where (customer_id, target_id) in (select * from unnest($1::bigint[], $2::bigint[]));

-- customer_accounts: select all accounts of a customer without a lock
select customer_id, target_id, decisions, waits, facts from accounts where customer_id = $1 order by target_id;

-- update_accounts: update accounts that are locked
update accounts as account
set decisions = moved.decisions, waits = moved.waits, facts = moved.facts
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::boolean[], $5::text[])
     as moved (customer_id, target_id, decisions, waits, facts)
where account.customer_id = moved.customer_id and account.target_id = moved.target_id;
