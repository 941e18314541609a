"""A worker that is asked to stop finishes its batch; workers that come and go share the lanes."""

import signal

import pytest

from support.events import leaves, three_rewards
from support.place import Place, answers
from support.workers import running, wait_until

CUSTOMERS = range(701, 901)


def everybody_leaves(place: Place) -> None:
    place.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    place.request(leaves(customer) for customer in CUSTOMERS)


def everybody_answered_once(place: Place) -> bool:
    return answers(place.seen()) == {f"leave-{customer}": ["unenroll.UserUnenrolled.v1"] for customer in CUSTOMERS}


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_that_is_asked_to_stop_leaves_nothing_to_recover(place: Place, by: signal.Signals) -> None:
    everybody_leaves(place)
    with running("run", environment={**place.environment, "UNENROLL_BATCH_RECORDS": "3"}) as worker:
        worker.wait_to_say('"batch_published"')
        worker.tell(by)
        assert worker.wait() == 0
    lanes = await place.rows("select sequence, published from lanes")
    assert sum(lane["sequence"] for lane in lanes) > 0
    assert all(lane["sequence"] == lane["published"] for lane in lanes)
    assert sum(lane["sequence"] for lane in lanes) == len(answers(place.seen()))
    place.catch_up()
    assert everybody_answered_once(place)


def test_workers_that_come_and_go_share_the_lanes(place: Place) -> None:
    everybody_leaves(place)
    few = {**place.environment, "UNENROLL_BATCH_RECORDS": "3"}
    with running("run", environment=few) as first:
        first.wait_to_say('"batch_published"')
        with running("run", environment=few) as second:
            second.wait_to_say('"lane_opened"')
            second.tell(signal.SIGTERM)
            assert second.wait() == 0
        wait_until(lambda: everybody_answered_once(place), "all answers", show=first.output)
        first.tell(signal.SIGTERM)
        assert first.wait() == 0
