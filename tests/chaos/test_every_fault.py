"""Every single fault at every phase of a batch: whatever happens, the history has nothing wrong in it."""

import asyncio
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from chaos.cases import CASES, tried
from chaos.fault_scene import place_of, scene
from support.databases import cloned_database
from unenroll.sandbox.servers import ServerAddresses

_AT_ONCE = 8

Verdict = Mapping[str, list[str]]


@pytest.fixture(scope="module")
def verdicts(
    servers: ServerAddresses, template: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Mapping[str, "Future[Verdict]"]]:
    """All chosen cases, some at a time: most of what they do is to wait until a group gives lanes away."""
    chosen = [name for name in CASES if any(f"[{name}]" in item.name for item in request.session.items)]

    async def played(name: str) -> Verdict:
        async with cloned_database(servers, template) as url:
            found = await scene(place_of(servers, url, tmp_path_factory.mktemp("fault")))
            await asyncio.to_thread(CASES[name], found)
            return await found.verdict()

    def judged(name: str) -> Verdict:
        return asyncio.run(played(name))

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        yield {name: threads.submit(judged, name) for name in chosen}


@pytest.mark.parametrize("case", tried(CASES))
def test_a_single_fault_leaves_nothing_wrong(verdicts: Mapping[str, "Future[Verdict]"], case: str) -> None:
    assert verdicts[case].result() == {}
