"""Many addresses that guess secrets, and one honest caller at the same time."""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from api.auth.guarded_server import Server, served
from support.secret_files import basic

pytestmark = pytest.mark.thorough

CRM = f"Authorization: Basic {basic('crm')}"
GUESSERS = 500  # each guesses every few seconds: many more guesses than the server can check
HONEST_CALLS = 200
MOST_MIB_MORE = 150
Say = Callable[[str], None]


@pytest.fixture
def say(pytestconfig: pytest.Config) -> Say:
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def aloud(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{text}", flush=True)  # noqa: T201 - the figures are what one runs it for

    return aloud


@asynccontextmanager
async def flooded(server: Server) -> AsyncIterator[None]:
    """The attack, from when every address has guessed once."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "api.auth.attacker",
        str(server.port),
        str(GUESSERS),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.PIPE,
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
    for _ in range(HONEST_CALLS):
        begin = time.perf_counter()
        given = await server.get("/customers/7", CRM, source="127.0.0.2")
        taken.append(time.perf_counter() - begin)
        assert given.status == 200, given
    p99 = sorted(taken)[-max(2, HONEST_CALLS // 100)]
    say(
        f"{when}: honest calls p50 {statistics.median(taken) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, "
        f"longest {max(taken) * 1000:.0f} ms; server {server.rss_mib} MiB"
    )


async def test_an_honest_caller_is_answered_while_others_guess(received: dict[str, str], say: Say) -> None:
    async with served(received) as server:
        await honest(server, say, "before")
        before = server.rss_mib
        async with flooded(server):
            await honest(server, say, f"while {GUESSERS} addresses guess")
            assert server.rss_mib - before < MOST_MIB_MORE
        await honest(server, say, "after")
