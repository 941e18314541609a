"""A topic deleted and made again, and lanes whose partitions are no more: nothing is skipped, nothing stays behind."""

import pytest
from confluent_kafka import TopicPartition

from support.cases import some
from support.deployment import Deployment, first_answers
from support.events import leave_record, three_rewards
from support.killed_commands import killed_command
from support.topics import NewRecord
from support.workers import command_that_kills_itself, run_command, running_command
from unenroll.kafka.committed_offsets import metadata

CUSTOMERS = range(901, 911)
EVERYBODY = {f"leave-{customer}": ["unenroll.UserUnenrolled.v1"] for customer in CUSTOMERS}


def in_partition(number: int) -> list[NewRecord]:
    return [NewRecord(**{**vars(leave_record(customer)), "partition": number}) for customer in CUSTOMERS]


def test_a_worker_stops_when_a_topic_is_made_again_beneath_it(deployment: Deployment) -> None:
    with running_command("run", environment=deployment.environment) as worker:
        worker.wait_for_log('"lane_opened"')
        deployment.recreate_topic("requests")
        deployment.request(leave_record(customer) for customer in CUSTOMERS)
        assert worker.wait() == 1
        assert "requests was deleted and recreated while this worker ran" in worker.output()
    deployment.catch_up()
    assert first_answers(deployment.consume()).keys() == EVERYBODY.keys()


async def test_offsets_of_the_topic_that_was_are_none_of_the_new_one(deployment: Deployment) -> None:
    """Kafka forgets them in its own time: until then they are there, and look right."""
    deployment.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    deployment.request(
        NewRecord(**{**vars(leave_record(999, event_id=f"{n}")), "partition": 0}) for n in range(len(CUSTOMERS))
    )
    deployment.catch_up()
    (lane,) = await deployment.rows("select topics, topic_ids, sequence from lanes where partition = 0")
    was = dict(zip(lane["topics"], lane["topic_ids"], strict=True))[f"{deployment.prefix}requests"]
    deployment.recreate_topic("requests")
    deployment.request(in_partition(0))
    stale = metadata(lane["sequence"], was)
    deployment.commit([TopicPartition(f"{deployment.prefix}requests", 0, len(CUSTOMERS), metadata=stale)])
    deployment.catch_up()
    found = first_answers(deployment.consume())
    assert {request: found.get(request) for request in EVERYBODY} == EVERYBODY


def test_what_a_lane_without_a_partition_had_decided_is_published(deployment: Deployment) -> None:
    decided_and_gone(deployment)
    output = deployment.catch_up()
    assert "orphaned_lane_published" in output
    assert first_answers(deployment.consume()) == EVERYBODY
    assert "had left" not in deployment.catch_up()


@pytest.mark.parametrize("phase", some(["sent", "committed"], always={"sent"}))
def test_it_is_published_once_even_if_who_does_it_is_killed(deployment: Deployment, phase: str) -> None:
    decided_and_gone(deployment)
    with killed_command(phase, "run", "--until-caught-up", environment=deployment.environment) as killed:
        assert killed.wait() == -9, killed.output()
    deployment.catch_up()
    assert first_answers(deployment.consume()) == EVERYBODY


def decided_and_gone(deployment: Deployment) -> None:
    """A worker is killed with decisions in lane 3 that it has not published; then there is no partition 3."""
    deployment.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    deployment.request(in_partition(3))
    with command_that_kills_itself("decided", "run", "--until-caught-up", environment=deployment.environment) as killed:
        assert killed.wait() == -9, killed.output()
    for word in ("requests", "facts"):
        deployment.recreate_topic(word, partitions=2)
    assert first_answers(deployment.consume()) == {}
    shown = run_command("offsets", "show", environment=deployment.environment)
    assert "no input topic has this partition" in shown
    assert "the topic was deleted and created again" in shown
