"""More than anybody should send, and one honest caller in the middle of it."""

import asyncio
import resource
import statistics
import time
from collections.abc import Callable, Coroutine

import pytest

from front.guards.secret_files import basic
from front.guards.server import Server, served

pytestmark = pytest.mark.thorough

CRM = f"Authorization: Basic {basic('crm')}"
CALLERS = 10_000
HONEST_CALLS = 100
MOST_MIB_MORE = 150
Told = dict[str, str]


@pytest.fixture(autouse=True)
def room_for_many() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CALLERS + 1000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this machine lets a process open {hard} files, and {wanted} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


async def honest(server: Server, say: Callable[[str], None], what: str) -> None:
    """An honest caller calls on connections of its own, and is answered each time."""
    taken = []
    for _ in range(HONEST_CALLS):
        begin = time.perf_counter()
        given = await server.get("/customers/7", CRM, source="127.0.0.2")
        taken.append(time.perf_counter() - begin)
        assert given.status == 200, given
    shown = sorted(taken)
    say(
        f"{what}: honest calls p50 {statistics.median(shown) * 1000:.0f} ms, p99 {shown[-2] * 1000:.0f} ms, "
        f"server {server.rss_mib} MiB, {server.files} files"
    )


async def flooded(
    server: Server, attack: Callable[[int], Coroutine[None, None, None]], say: Callable[[str], None], what: str
) -> None:
    """The attack by so many at once, while the honest caller calls."""
    before = server.rss_mib
    attackers = [asyncio.create_task(attack(number)) for number in range(CALLERS)]
    try:
        await honest(server, say, what)
        assert server.rss_mib - before < MOST_MIB_MORE
    finally:
        for one in attackers:
            one.cancel()
        await asyncio.gather(*attackers, return_exceptions=True)
    await honest(server, say, what + ", afterwards")


@pytest.fixture
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def aloud(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{text}", flush=True)  # noqa: T201 - the figures are what one runs it for

    return aloud


async def holding(server: Server, begin: bytes) -> None:
    """Connects again and again, says this much and no more."""
    while True:
        try:
            reader, writer = await server.connect()
        except OSError:
            continue
        try:
            writer.write(begin)
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()


@pytest.mark.parametrize(
    ("what", "begin"),
    [
        ("silent connections", b""),
        ("half a head", b"GET /customers/7 HTTP/1.1\r\nHost: f\r\nX-Slow: " + b"x" * 8000),
        ("bodies of strangers", b"POST /size HTTP/1.1\r\nHost: f\r\nContent-Length: 60000\r\n\r\n" + b"x" * 50_000),
    ],
)
async def test_ten_thousand_connections_are_bounded_and_an_honest_caller_is_answered(
    what: str, begin: bytes, told: Told, say: Callable[[str], None]
) -> None:
    async with served(told) as server:
        await honest(server, say, what + ", before")
        most = 0

        async def attack(_: int) -> None:
            nonlocal most
            most = max(most, server.files)
            await holding(server, begin)

        await flooded(server, attack, say, what)
        assert most < 1300


async def test_guesses_from_many_addresses_fill_no_memory_and_an_honest_caller_is_answered(
    told: Told, say: Callable[[str], None]
) -> None:
    async with served(told) as server:
        await honest(server, say, "guesses, before")

        async def attack(number: int) -> None:
            source = f"127.1.{number // 250}.{number % 250 + 1}"
            wrong = f"Authorization: Basic {basic('crm', f'guess number {number}')}"
            while True:
                try:
                    assert (await server.get("/customers/7", wrong, source=source)).status in {401, 429, 503}
                except (OSError, asyncio.IncompleteReadError, TimeoutError):
                    continue

        await flooded(server, attack, say, "guesses")
