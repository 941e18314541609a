"""Lanes that processes take by themselves, lanes that the group gives, both at once, and too many for one process."""

import json
import signal

import pytest

from stage.events import leaves, three_rewards
from stage.place import Place, answers
from stage.workers import Running, run, running, wait_until

MANY = range(701, 761)
MORE = range(801, 831)


def everybody_leaves(place: Place, customers: range) -> None:
    place.load(line for customer in customers for line in three_rewards(customer))
    place.request(leaves(customer) for customer in customers)


def answered_once(place: Place, *customers: range) -> bool:
    wanted = {f"leave-{customer}": ["unenroll.UserUnenrolled.v1"] for part in customers for customer in part}
    return answers(place.seen()) == wanted


def taking(place: Place, lanes: str) -> dict[str, str]:
    return {**place.environment, "UNENROLL_LANES": lanes, "UNENROLL_BATCH_RECORDS": "3"}


async def epochs(place: Place) -> list[int]:
    return [row["epoch"] for row in await place.rows("select epoch from lanes order by partition")]


def ended(worker: Running) -> bool:
    worker.tell(signal.SIGTERM)
    return worker.wait() == 0


async def test_a_second_process_with_the_same_lane_stands_by_and_takes_it_from_one_that_froze(place: Place) -> None:
    everybody_leaves(place, MANY)
    with running("run", environment=taking(place, "0-2")) as first:
        first.wait_to_say('"lane_opened"', times=3)
        with running("run", environment=taking(place, "1-3")) as second:
            second.wait_to_say('"lane_waiting"', times=2)
            wait_until(lambda: answered_once(place, MANY), "all answers", show=second.output)
            assert await epochs(place) == [1, 1, 1, 1]
            first.tell(signal.SIGSTOP)
            second.wait_to_say('"lane_opened"', times=3)
            assert await epochs(place) == [1, 2, 2, 1]
            first.tell(signal.SIGCONT)
            everybody_leaves(place, MORE)
            wait_until(lambda: answered_once(place, MANY, MORE), "all answers", show=second.output)
            first.wait_to_say('"lane_waiting"', times=2)
            assert max(await epochs(place)) == 2
            assert ended(second)
        first.wait_to_say('"lane_opened"', times=5)
        assert ended(first)


@pytest.mark.thorough
async def test_who_takes_a_lane_by_itself_goes_before_whom_the_group_gives_it_to(place: Place) -> None:
    everybody_leaves(place, MANY)
    with running("run", environment=place.environment) as given:
        given.wait_to_say('"lane_opened"', times=4)
        with running("run", environment=taking(place, "0-1")) as taken:
            taken.wait_to_say('"lane_opened"', times=2)
            everybody_leaves(place, MORE)
            wait_until(lambda: answered_once(place, MANY, MORE), "all answers", show=given.output)
            given.wait_to_say("in its UNENROLL_LANES, and goes first", times=2)
            assert max(await epochs(place)) == 2
            owners = [
                lane["owner"] for lane in json.loads(run("status", "--json", environment=place.environment))["lanes"]
            ]
            assert owners[0] == owners[1] != owners[2] == owners[3]
            assert ended(taken)
        given.wait_to_say('"lane_opened"', times=6)
        assert ended(given)


@pytest.mark.thorough
def test_offsets_are_not_set_while_a_process_has_lanes_by_itself(place: Place) -> None:
    with running("run", environment=taking(place, "0")) as worker:
        worker.wait_to_say('"lane_opened"')
        said = run("offsets", "set", "--to", "earliest", "--why", "test", environment=place.environment, code=1)
        assert "stop them first" in said
        assert ended(worker)
    run("offsets", "set", "--to", "earliest", "--why", "test", environment=place.environment)


@pytest.mark.thorough
def test_until_caught_up_is_about_the_lanes_that_the_process_takes(place: Place) -> None:
    everybody_leaves(place, MANY)
    run("run", "--until-caught-up", environment=taking(place, "0,2"))
    some = answers(place.seen())
    assert 0 < len(some) < len(MANY)
    run("run", "--until-caught-up", environment=taking(place, "1,3"))
    assert answered_once(place, MANY)


@pytest.mark.thorough
def test_lanes_that_cannot_be_are_told_of(place: Place) -> None:
    assert "UNENROLL_LANES names 9," in run("run", environment=taking(place, "0,9"), code=1)
    assert "UNENROLL_LANES: must be" in run("run", environment=taking(place, "3-1"), code=2)
    over = {**taking(place, "0-3"), "UNENROLL_MOST_LANES": "2"}
    assert "UNENROLL_LANES names more lanes than UNENROLL_MOST_LANES" in run("run", environment=over, code=2)


@pytest.mark.thorough
def test_what_is_more_than_a_process_may_take_waits_for_another_one(place: Place) -> None:
    everybody_leaves(place, MANY)
    few = {**place.environment, "UNENROLL_MOST_LANES": "3"}
    with running("run", environment=few) as first:
        first.wait_to_say('"lane_opened"', times=3)
        assert first.output().count("lanes without a worker") == 1
        with running("run", environment=few) as second:
            wait_until(lambda: answered_once(place, MANY), "all answers", show=second.output)
            assert "lanes without a worker" not in second.output()
            assert ended(second)
        assert ended(first)
