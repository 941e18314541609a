"""What runs share: the servers, the workload, and databases that are filled with it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache

from benchmarks.databases import filled_for_peers, filled_for_us
from benchmarks.expected import Expected, expected
from benchmarks.workload import PARTITIONS, Workload
from unenroll.sandbox.servers import ServerAddresses


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """`ours` and `peers` are the names of databases to copy. Peers get fewer of the same requests: they are slow."""

    servers: ServerAddresses
    workload: Workload
    peer_workload: Workload
    ours: str
    peers: str
    partitions: int = PARTITIONS

    def expected(self, workload: Workload) -> Expected:
        """What the core says comes of the workload's requests."""
        return _expected(workload)


@asynccontextmanager
async def shared_ground(
    servers: ServerAddresses, workload: Workload, *, peer_requests: int, say: Callable[[str], None] = print
) -> AsyncIterator[Ground]:
    """The filled databases, until the end of the block. Without `peer_requests`, none for peers."""
    async with AsyncExitStack() as filled:
        say(f"filling tables with {workload.customers:,} accounts, {workload.rewards} rewards each")
        ours = await filled.enter_async_context(filled_for_us(servers.database_url, workload))
        peers = ""
        if peer_requests:
            peers = await filled.enter_async_context(filled_for_peers(servers.database_url, workload))
        peer_workload = replace(workload, requests=peer_requests or workload.requests)
        yield Ground(servers=servers, workload=workload, peer_workload=peer_workload, ours=ours, peers=peers)


@cache
def _expected(workload: Workload) -> Expected:
    return expected(workload)
