"""A killed worker's lanes go to those that are left, and a replay says nothing twice."""

import signal

from support.deployment import Deployment, first_answers
from support.events import leave_record, three_rewards
from support.workers import command_that_kills_itself, running_command

CUSTOMERS = range(101, 141)


def everybody_leaves(deployment: Deployment) -> None:
    deployment.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    deployment.request(leave_record(customer) for customer in CUSTOMERS)


def assert_everybody_left_once(deployment: Deployment) -> None:
    found = deployment.consume()
    assert first_answers(found) == {f"leave-{customer}": ["unenroll.UserUnenrolled.v1"] for customer in CUSTOMERS}
    cancelled = sorted(record.data["rewardId"] for record in found if record.topic == f"{deployment.prefix}rewards")
    assert cancelled == sorted(f"R3-{customer}" for customer in CUSTOMERS)


def test_another_worker_takes_over_the_lanes_of_a_killed_one(deployment: Deployment) -> None:
    everybody_leaves(deployment)
    with command_that_kills_itself("offsets sent", "run", environment=deployment.environment) as first:
        assert first.wait() == -signal.SIGKILL
    with (
        running_command("run", environment=deployment.environment) as second,
        running_command("run", "--until-caught-up", environment=deployment.environment) as third,
    ):
        assert third.wait() == 0
        second.send_signal(signal.SIGTERM)
        assert second.wait() == 0
    assert_everybody_left_once(deployment)


def test_a_replay_from_offset_0_publishes_nothing_twice(deployment: Deployment) -> None:
    everybody_leaves(deployment)
    deployment.catch_up()
    before = deployment.consume()
    deployment.reset_offsets()
    result = deployment.catch_up()
    assert '"duplicate": ' in result
    assert deployment.consume() == before
