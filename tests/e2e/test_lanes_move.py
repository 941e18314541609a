"""A killed worker's lanes go to those that are left, and a replay says nothing twice."""

import signal

from support.events import leaves, three_rewards
from support.place import Place, answers
from support.workers import doomed, running

CUSTOMERS = range(101, 141)


def everybody_leaves(place: Place) -> None:
    place.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    place.request(leaves(customer) for customer in CUSTOMERS)


def assert_everybody_left_once(place: Place) -> None:
    found = place.seen()
    assert answers(found) == {f"leave-{customer}": ["unenroll.UserUnenrolled.v1"] for customer in CUSTOMERS}
    cancelled = sorted(record.data["rewardId"] for record in found if record.topic == f"{place.prefix}rewards")
    assert cancelled == sorted(f"R3-{customer}" for customer in CUSTOMERS)


def test_another_worker_takes_over_the_lanes_of_a_killed_one(place: Place) -> None:
    everybody_leaves(place)
    with doomed("offsets sent", "run", environment=place.environment) as first:
        assert first.wait() == -signal.SIGKILL
    with (
        running("run", environment=place.environment) as second,
        running("run", "--until-caught-up", environment=place.environment) as third,
    ):
        assert third.wait() == 0
        second.tell(signal.SIGTERM)
        assert second.wait() == 0
    assert_everybody_left_once(place)


def test_a_replay_from_offset_0_publishes_nothing_twice(place: Place) -> None:
    everybody_leaves(place)
    place.catch_up()
    before = place.seen()
    place.forget_offsets()
    said = place.catch_up()
    assert '"duplicate": ' in said
    assert place.seen() == before
