"""A worker that is asked to stop finishes its batch; workers that come and go share the lanes."""

import signal

import pytest

from support.deployment import Deployment, first_answers
from support.events import leave_record, three_rewards
from support.workers import running_command, wait_until

CUSTOMERS = range(701, 901)


def everybody_leaves(deployment: Deployment) -> None:
    deployment.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    deployment.request(leave_record(customer) for customer in CUSTOMERS)


def everybody_answered_once(deployment: Deployment) -> bool:
    return first_answers(deployment.consume()) == {
        f"leave-{customer}": ["unenroll.UserUnenrolled.v1"] for customer in CUSTOMERS
    }


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_that_is_asked_to_stop_leaves_nothing_to_recover(
    deployment: Deployment, by: signal.Signals
) -> None:
    everybody_leaves(deployment)
    with running_command("run", environment={**deployment.environment, "UNENROLL_BATCH_RECORDS": "3"}) as worker:
        worker.wait_for_log('"batch_published"')
        worker.send_signal(by)
        assert worker.wait() == 0
    lanes = await deployment.rows("select sequence, published from lanes")
    assert sum(lane["sequence"] for lane in lanes) > 0
    assert all(lane["sequence"] == lane["published"] for lane in lanes)
    assert sum(lane["sequence"] for lane in lanes) == len(first_answers(deployment.consume()))
    deployment.catch_up()
    assert everybody_answered_once(deployment)


def test_workers_that_come_and_go_share_the_lanes(deployment: Deployment) -> None:
    everybody_leaves(deployment)
    few = {**deployment.environment, "UNENROLL_BATCH_RECORDS": "3"}
    with running_command("run", environment=few) as first:
        first.wait_for_log('"batch_published"')
        with running_command("run", environment=few) as second:
            second.wait_for_log('"lane_opened"')
            second.send_signal(signal.SIGTERM)
            assert second.wait() == 0
        wait_until(lambda: everybody_answered_once(deployment), "all answers", show=first.output)
        first.send_signal(signal.SIGTERM)
        assert first.wait() == 0
