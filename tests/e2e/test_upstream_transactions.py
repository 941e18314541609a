"""Who sends requests in transactions: what was aborted was never said, and markers hold nobody up."""

import json
import signal
from typing import Any

from confluent_kafka import Producer

from support.deployment import Deployment, first_answers
from support.events import leave_record
from support.served_pages import SERVE_STATUS, StatusPages
from support.topics import NewRecord
from support.workers import run_command, running_command, wait_until


def test_requests_of_an_aborted_transaction_are_not_answered(deployment: Deployment) -> None:
    upstream = upstream_of(deployment)
    for customer, end in [(101, upstream.commit_transaction), (102, upstream.abort_transaction)]:
        upstream.begin_transaction()
        request = leave_record(customer)
        for partition in range(4):
            upstream.produce(
                f"{deployment.prefix}requests",
                key=request.key,
                value=request.value,
                headers=request.headers,
                partition=partition,
            )
        upstream.flush()
        end()
    deployment.catch_up()
    assert first_answers(deployment.consume()) == {"leave-101": ["unenroll.UnenrollRejected.v1"]}


def test_records_behind_an_open_transaction_are_seen_and_waited_for(deployment: Deployment) -> None:
    upstream = upstream_of(deployment)
    upstream.begin_transaction()
    upstream.produce(f"{deployment.prefix}requests", value=b"{", partition=0)
    upstream.flush()
    deployment.request(NewRecord(**{**vars(leave_record(customer)), "partition": 0}) for customer in range(1, 11))
    (partition,) = [one for one in partitions(deployment) if one["withheld_records"]]
    assert (partition["topic"], partition["partition"], partition["lag"]) == (f"{deployment.prefix}requests", 0, 0)
    assert partition["withheld_records"] == 11
    with running_command("run", environment={**deployment.environment, **SERVE_STATUS}) as worker:
        metric = "unenroll_lane_withheld_records 0 requests"
        shown = StatusPages(command=worker)
        worker.wait_for_log('"lane_opened"', times=4)
        wait_until(lambda: shown.metrics().get(metric) == 11, metric, show=worker.output)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait() == 0
    with running_command("run", "--until-caught-up", environment=deployment.environment) as worker:
        worker.wait_for_log('"records_withheld"')
        worker.wait_for_log('"lane_opened"', times=4)
        assert first_answers(deployment.consume()) == {}
        assert not worker.ended
        upstream.abort_transaction()
        assert worker.wait() == 0
    assert len(first_answers(deployment.consume())) == 10
    assert {one["withheld_records"] for one in partitions(deployment)} == {0}


def upstream_of(deployment: Deployment) -> Producer:
    """A producer of transactions that is not ours."""
    settings = {
        "bootstrap.servers": deployment.kafka,
        "log_level": 0,
        "transactional.id": f"{deployment.prefix}upstream",
    }
    upstream = Producer(settings)
    upstream.init_transactions()
    return upstream


def partitions(deployment: Deployment) -> list[dict[str, Any]]:
    """The partitions as `status` shows them."""
    found: list[dict[str, Any]] = json.loads(run_command("status", "--json", environment=deployment.environment))[
        "partitions"
    ]
    return found
