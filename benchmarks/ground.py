"""What runs share: the servers, the crowd, and databases that are filled with it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache

from benchmarks.crowd import PARTITIONS, Crowd
from benchmarks.databases import filled_for_peers, filled_for_us
from benchmarks.expected import Expected, expected
from unenroll.sandbox.servers import ServerAddresses


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """`ours` and `peers` are the names of databases to copy. Peers get fewer of the same requests: they are slow."""

    servers: ServerAddresses
    crowd: Crowd
    peer_crowd: Crowd
    ours: str
    peers: str
    partitions: int = PARTITIONS

    def expected(self, crowd: Crowd) -> Expected:
        """What the core says comes of the crowd's requests."""
        return _expected(crowd)


@asynccontextmanager
async def ground(
    servers: ServerAddresses, crowd: Crowd, *, peer_requests: int, say: Callable[[str], None] = print
) -> AsyncIterator[Ground]:
    """The filled databases, until the end of the block. Without `peer_requests`, none for peers."""
    async with AsyncExitStack() as filled:
        say(f"filling tables with {crowd.customers:,} accounts, {crowd.rewards} rewards each")
        ours = await filled.enter_async_context(filled_for_us(servers.database_url, crowd))
        peers = ""
        if peer_requests:
            peers = await filled.enter_async_context(filled_for_peers(servers.database_url, crowd))
        peer_crowd = replace(crowd, requests=peer_requests or crowd.requests)
        yield Ground(servers=servers, crowd=crowd, peer_crowd=peer_crowd, ours=ours, peers=peers)


@cache
def _expected(crowd: Crowd) -> Expected:
    return expected(crowd)
