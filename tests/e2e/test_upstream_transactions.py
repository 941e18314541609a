"""Who sends requests in transactions: what was aborted was never said, and markers hold nobody up."""

import json
import signal
from typing import Any

from confluent_kafka import Producer

from support.events import leaves
from support.http import SERVE_STATUS, StatusPages
from support.place import Place, answers
from support.topics import Put
from support.workers import run, running, wait_until


def test_requests_of_an_aborted_transaction_are_not_answered(place: Place) -> None:
    upstream = upstream_of(place)
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


def test_records_behind_an_open_transaction_are_seen_and_waited_for(place: Place) -> None:
    upstream = upstream_of(place)
    upstream.begin_transaction()
    upstream.produce(f"{place.prefix}requests", value=b"{", partition=0)
    upstream.flush()
    place.request(Put(**{**vars(leaves(customer)), "partition": 0}) for customer in range(1, 11))
    (partition,) = [one for one in partitions(place) if one["withheld_records"]]
    assert (partition["topic"], partition["partition"], partition["lag"]) == (f"{place.prefix}requests", 0, 0)
    assert partition["withheld_records"] == 11
    with running("run", environment={**place.environment, **SERVE_STATUS}) as worker:
        metric = "unenroll_lane_withheld_records 0 requests"
        shown = StatusPages(command=worker)
        worker.wait_to_say('"lane_opened"', times=4)
        wait_until(lambda: shown.metrics().get(metric) == 11, metric, show=worker.output)
        worker.tell(signal.SIGTERM)
        assert worker.wait() == 0
    with running("run", "--until-caught-up", environment=place.environment) as worker:
        worker.wait_to_say('"records_withheld"')
        worker.wait_to_say('"lane_opened"', times=4)
        assert answers(place.seen()) == {}
        assert not worker.ended
        upstream.abort_transaction()
        assert worker.wait() == 0
    assert len(answers(place.seen())) == 10
    assert {one["withheld_records"] for one in partitions(place)} == {0}


def upstream_of(place: Place) -> Producer:
    """A producer of transactions that is not ours."""
    settings = {"bootstrap.servers": place.kafka, "log_level": 0, "transactional.id": f"{place.prefix}upstream"}
    upstream = Producer(settings)
    upstream.init_transactions()
    return upstream


def partitions(place: Place) -> list[dict[str, Any]]:
    """The partitions as `status` shows them."""
    found: list[dict[str, Any]] = json.loads(run("status", "--json", environment=place.environment))["partitions"]
    return found
