-- customer_publications: select the batches that decided events of customers, in the order of the decisions
with batches as (
    select distinct batch.lane_id, batch.last_sequence
    from ledger
    cross join lateral (
        select lane_id, last_sequence, first_sequence
        from publications
        where publications.lane_id = ledger.lane_id and last_sequence >= ledger.sequence
        order by last_sequence
        limit 1
    ) as batch
    where ledger.customer_id = any($1::bigint[]) and batch.first_sequence <= ledger.sequence
)
select decided_at, outputs
from batches join publications using (lane_id, last_sequence)
order by decided_at, lane_id, last_sequence;
