"""A server falls and comes back while workers are at every phase of a batch: the histories have nothing wrong."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaos.cases import tried
from chaos.fault_scene import place_of, scene
from chaos.killable_servers import KillablePair, killable_pair
from chaos.revoked_rights import RIGHTS, can_deny, lacks
from chaos.server_faults import FALLS, Verdicts, chosen, outlived
from support.batch_phases import PHASES
from support.databases import cloned_database, migrated_database
from unenroll.sandbox.environment import cache_folder
from unenroll.sandbox.servers import ServerAddresses, embedded_servers

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
async def pair() -> AsyncIterator[KillablePair]:
    """Servers that may fall."""
    async with (
        embedded_servers(cache=cache_folder(os.environ), say=print) as started,
        killable_pair(started) as servers,
    ):
        yield servers


@pytest.fixture(scope="module")
def named(pair: KillablePair) -> ServerAddresses:
    """Where they answer."""
    return ServerAddresses(kafka=pair.kafka.address, database_url=pair.postgres.address)


@pytest.fixture(scope="module")
async def own_template(named: ServerAddresses) -> AsyncIterator[str]:
    """The name of a migrated database of theirs."""
    async with migrated_database(named) as name:
        yield name


@dataclass(frozen=True, kw_only=True)
class FallResult:
    """The verdicts on all phases, and the phases of whose transactions Kafka says that it skipped the markers."""

    verdicts: Verdicts
    skipped: frozenset[str]


@pytest.fixture(scope="module", params=FALLS)
async def fallen(
    pair: KillablePair,
    named: ServerAddresses,
    own_template: str,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> FallResult:
    """One fall for the workers of all phases."""
    async with AsyncExitStack() as stack:
        phases = chosen(request.session, request.param)
        urls = {phase: await stack.enter_async_context(cloned_database(named, own_template)) for phase in phases}
        scenes = {
            phase: await scene(place_of(named, url, tmp_path_factory.mktemp("fall"))) for phase, url in urls.items()
        }
        verdicts = await outlived(scenes, FALLS[request.param](pair))
        skipped = {phase for phase, one in scenes.items() if pair.kafka.skipped_markers(one.deployment.prefix)}
        return FallResult(verdicts=verdicts, skipped=frozenset(skipped))


@pytest.mark.thorough
@pytest.mark.parametrize("phase", PHASES)
async def test_a_server_that_falls_leaves_nothing_wrong(fallen: FallResult, phase: str) -> None:
    if phase in fallen.skipped:
        pytest.xfail("Kafka ended a transaction without its markers: docs/guarantees.md, what is not promised")
    assert await fallen.verdicts[phase] == {}


@pytest.fixture(scope="module")
async def guarded(pair: KillablePair, named: ServerAddresses) -> ServerAddresses:
    """The same, where rights can be taken away."""
    await can_deny(pair.kafka)
    return named


@pytest.mark.parametrize("right", tried(RIGHTS))
async def test_a_right_that_is_taken_away_leaves_nothing_wrong(
    guarded: ServerAddresses, own_template: str, tmp_path: Path, right: str
) -> None:
    async with cloned_database(guarded, own_template) as url:
        found = await scene(place_of(guarded, url, tmp_path))
        await asyncio.to_thread(lacks, found, right)
        assert await found.verdict() == {}
