"""Kill the worker at any moment of a batch, start it again: each answer is visible exactly once."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

import pytest

from stage.databases import cloned
from stage.events import leaves, three_rewards
from stage.place import Place, answers, made
from stage.workers import doomed, running
from unenroll.sandbox.servers import Servers

CUSTOMERS = range(101, 141)
PHASES = ["decided", "begun", "sent", "offsets sent", "committed"]


def everybody_leaves(place: Place) -> None:
    place.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    place.request(leaves(customer) for customer in CUSTOMERS)


def assert_everybody_left_once(place: Place) -> None:
    found = place.seen()
    assert answers(found) == {f"leave-{customer}": ["unenroll.UserUnenrolled.v1"] for customer in CUSTOMERS}
    cancelled = sorted(record.data["rewardId"] for record in found if record.topic == f"{place.prefix}rewards")
    assert cancelled == sorted(f"R3-{customer}" for customer in CUSTOMERS)


def killed_and_started_again(place: Place, phase: str) -> None:
    everybody_leaves(place)
    with doomed(phase, "run", environment=place.environment) as worker:
        assert worker.wait() == -signal.SIGKILL
    place.catch_up()


@pytest.fixture(scope="module")
async def places(
    servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Mapping[str, Place]]:
    """A place for each phase. All die at the same time: until a group gives a dead worker's lanes away takes long."""
    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(cloned(servers, template)) for _ in PHASES]
        places = {
            phase: await made(
                Place(
                    kafka=servers.kafka,
                    database_url=url,
                    prefix=f"{url[-8:]}.",
                    folder=tmp_path_factory.mktemp("killed"),
                )
            )
            for phase, url in zip(PHASES, urls, strict=True)
        }
        await asyncio.gather(
            *(asyncio.to_thread(killed_and_started_again, place, phase) for phase, place in places.items())
        )
        yield places


@pytest.mark.parametrize("phase", PHASES)
def test_killed_at_a_phase_and_started_again_each_answer_is_visible_once(
    places: Mapping[str, Place], phase: str
) -> None:
    assert_everybody_left_once(places[phase])


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
