"""A topic deleted and made again, and lanes whose partitions are no more: nothing is skipped, nothing stays behind."""

import pytest
from confluent_kafka import TopicPartition

from support.cases import some
from support.events import leaves, three_rewards
from support.killed_commands import dying
from support.place import Place, answers
from support.topics import Put
from support.workers import doomed, run, running
from unenroll.kafka.committed_offsets import metadata

CUSTOMERS = range(901, 911)
EVERYBODY = {f"leave-{customer}": ["unenroll.UserUnenrolled.v1"] for customer in CUSTOMERS}


def in_partition(number: int) -> list[Put]:
    return [Put(**{**vars(leaves(customer)), "partition": number}) for customer in CUSTOMERS]


def test_a_worker_stops_when_a_topic_is_made_again_beneath_it(place: Place) -> None:
    with running("run", environment=place.environment) as worker:
        worker.wait_to_say('"lane_opened"')
        place.make_again("requests")
        place.request(leaves(customer) for customer in CUSTOMERS)
        assert worker.wait() == 1
        assert "requests was deleted and recreated while this worker ran" in worker.output()
    place.catch_up()
    assert answers(place.seen()).keys() == EVERYBODY.keys()


async def test_offsets_of_the_topic_that_was_are_none_of_the_new_one(place: Place) -> None:
    """Kafka forgets them in its own time: until then they are there, and look right."""
    place.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    place.request(Put(**{**vars(leaves(999, event_id=f"{n}")), "partition": 0}) for n in range(len(CUSTOMERS)))
    place.catch_up()
    (lane,) = await place.rows("select topics, topic_ids, sequence from lanes where partition = 0")
    was = dict(zip(lane["topics"], lane["topic_ids"], strict=True))[f"{place.prefix}requests"]
    place.make_again("requests")
    place.request(in_partition(0))
    stale = metadata(lane["sequence"], was)
    place.commit([TopicPartition(f"{place.prefix}requests", 0, len(CUSTOMERS), metadata=stale)])
    place.catch_up()
    found = answers(place.seen())
    assert {request: found.get(request) for request in EVERYBODY} == EVERYBODY


def test_what_a_lane_without_a_partition_had_decided_is_published(place: Place) -> None:
    decided_and_gone(place)
    output = place.catch_up()
    assert "orphaned_lane_published" in output
    assert answers(place.seen()) == EVERYBODY
    assert "had left" not in place.catch_up()


@pytest.mark.parametrize("phase", some(["sent", "committed"], always={"sent"}))
def test_it_is_published_once_even_if_who_does_it_is_killed(place: Place, phase: str) -> None:
    decided_and_gone(place)
    with dying(phase, "run", "--until-caught-up", environment=place.environment) as killed:
        assert killed.wait() == -9, killed.output()
    place.catch_up()
    assert answers(place.seen()) == EVERYBODY


def decided_and_gone(place: Place) -> None:
    """A worker is killed with decisions in lane 3 that it has not published; then there is no partition 3."""
    place.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    place.request(in_partition(3))
    with doomed("decided", "run", "--until-caught-up", environment=place.environment) as killed:
        assert killed.wait() == -9, killed.output()
    for word in ("requests", "facts"):
        place.make_again(word, partitions=2)
    assert answers(place.seen()) == {}
    shown = run("offsets", "show", environment=place.environment)
    assert "no input topic has this partition" in shown
    assert "the topic was deleted and created again" in shown
