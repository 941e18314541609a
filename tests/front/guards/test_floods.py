"""More than anybody should send, and one honest caller in the middle of it."""

import asyncio
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from front.guards.server import Server, served
from stage.secret_files import basic

pytestmark = pytest.mark.thorough

FLOODING = Path(__file__).with_name("flooding.py")
CRM = f"Authorization: Basic {basic('crm')}"
ATTACKERS = 10_000
GUESSERS = 500  # each guesses every few seconds: some times what can be checked
HONEST_CALLS = 200
MOST_MIB_MORE = 150
MOST_FILES = 1500  # the connections, and what is accepted at once on its way in and out
Say = Callable[[str], None]


@pytest.fixture(autouse=True)
def room_for_many() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ATTACKERS + 1000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this machine lets a process open {hard} files, and {wanted} are needed")
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@pytest.fixture
def say(pytestconfig: pytest.Config) -> Say:
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def aloud(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{text}", flush=True)  # noqa: T201 - the figures are what one runs it for

    return aloud


@asynccontextmanager
async def flooded(server: Server, how_many: int, kind: str) -> AsyncIterator[None]:
    """The attack, from when every attacker has been there."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(FLOODING), str(server.port), str(how_many), kind, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"all\n"
        yield
    finally:
        process.kill()
        await process.wait()


async def honest(server: Server, say: Say, when: str) -> None:
    """An honest caller calls on connections of its own, and is answered each time."""
    taken = []
    most = 0
    for _ in range(HONEST_CALLS):
        begin = time.perf_counter()
        given = await server.get("/customers/7", CRM, source="127.0.0.2")
        taken.append(time.perf_counter() - begin)
        most = max(most, server.files)
        assert given.status == 200, given
    p99 = sorted(taken)[-max(2, HONEST_CALLS // 100)]
    say(
        f"{when}: honest calls p50 {statistics.median(taken) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, "
        f"longest {max(taken) * 1000:.0f} ms; server {server.rss_mib} MiB, at most {most} files"
    )
    assert most < MOST_FILES


@pytest.mark.parametrize(
    ("how_many", "what", "kind"),
    [
        (ATTACKERS, "silent connections", ""),
        (ATTACKERS, "half heads", (b"GET /customers/7 HTTP/1.1\r\nHost: f\r\nX-Slow: " + b"x" * 8000).hex()),
        (
            ATTACKERS,
            "bodies of strangers",
            (b"POST /size HTTP/1.1\r\nHost: f\r\nContent-Length: 60000\r\n\r\n" + b"x" * 9000).hex(),
        ),
        (GUESSERS, "addresses that guess", "guesses"),
    ],
)
async def test_a_flood_fills_no_memory_and_an_honest_caller_is_answered(
    how_many: int, what: str, kind: str, told: dict[str, str], say: Say
) -> None:
    async with served(told) as server:
        await honest(server, say, f"before {what}")
        before = server.rss_mib
        async with flooded(server, how_many, kind):
            await honest(server, say, f"{how_many} {what}")
            assert server.rss_mib - before < MOST_MIB_MORE
        await honest(server, say, f"after {what}")
