"""Who sends requests in transactions: what was aborted was never said, and markers hold nobody up."""

from confluent_kafka import Producer

from support.events import leaves
from support.place import Place, answers


def test_requests_of_an_aborted_transaction_are_not_answered(place: Place) -> None:
    upstream = Producer(
        {"bootstrap.servers": place.kafka, "log_level": 0, "transactional.id": f"{place.prefix}upstream"}
    )
    upstream.init_transactions()
    for customer, end in [(101, upstream.commit_transaction), (102, upstream.abort_transaction)]:
        upstream.begin_transaction()
        request = leaves(customer)
        for partition in range(4):
            upstream.produce(
                f"{place.prefix}requests",
                key=request.key,
                value=request.value,
                headers=request.headers,
                partition=partition,
            )
        upstream.flush()
        end()
    place.catch_up()
    assert answers(place.seen()) == {"leave-101": ["unenroll.UnenrollRejected.v1"]}
