"""One of three brokers dies while workers are at every phase of a batch: the histories have nothing wrong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from signal import SIGKILL

import pytest

from chaos.fault_scene import Scene, place_of, scene
from chaos.server_faults import Fall, Verdicts, chosen, outlived
from support.batch_phases import PHASES
from support.brokers import Brokers, three_brokers
from support.databases import cloned_database
from unenroll.kafka.topics import INPUTS
from unenroll.sandbox.servers import ServerAddresses

pytestmark = [pytest.mark.timeout(300), pytest.mark.thorough]  # three brokers, which a small machine feels


@pytest.fixture(scope="module")
async def brokers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Brokers]:
    """Three of them, at first."""
    async with three_brokers(tmp_path_factory.mktemp("brokers")) as three:
        yield three


@pytest.fixture(scope="module")
async def verdicts(
    brokers: Brokers,
    servers: ServerAddresses,
    template: str,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Verdicts:
    """One death for the workers of all phases: of who leads all inputs and coordinates all transactions."""
    leader = await asyncio.to_thread(brokers.coordinator)
    pair = replace(servers, kafka=brokers.addresses)
    async with AsyncExitStack() as stack:
        scenes: dict[str, Scene] = {}
        for phase in chosen(request.session):
            url = await stack.enter_async_context(cloned_database(pair, template))
            place = replace(place_of(pair, url, tmp_path_factory.mktemp("fall")), replication=3)
            brokers.make_led([place.prefix + word for word in INPUTS], by=leader)
            scenes[phase] = await scene(place)
        return await outlived(scenes, Fall(falls=partial(brokers.by_number[leader].kill, SIGKILL)))


@pytest.mark.parametrize("phase", PHASES)
async def test_a_leader_that_is_killed_leaves_nothing_wrong(verdicts: Verdicts, phase: str) -> None:
    assert await verdicts[phase] == {}
