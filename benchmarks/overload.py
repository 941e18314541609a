"""More requests than the worker can do, for a while: what becomes of its memory, and how soon it is back."""

import asyncio
import json

from benchmarks.fleet import Fleet, fleet, site
from benchmarks.latency import Phase, client
from benchmarks.shared_servers import shared_ground
from benchmarks.variants import workers
from benchmarks.workload import Workload
from unenroll.sandbox.servers import ServerAddresses

_CALM_RATE = 100
_LOOK_SECONDS = 2.0


async def overload(servers: ServerAddresses, *, rate: int, seconds: int, calm_seconds: int) -> None:
    """A calm rate, then too much, then the calm rate again; prints what the answers took in each second."""
    phases = [(_CALM_RATE, calm_seconds), (rate, seconds), (_CALM_RATE, 4 * calm_seconds)]
    count = sum(rate * seconds for rate, seconds in phases)
    workload = Workload(requests=count, accounts=count)
    async with shared_ground(servers, workload, peer_requests=0) as place, site(place, workers(2), workload) as where:
        async with fleet(where) as loaded:
            watching = asyncio.create_task(_memory(loaded))
            with client(where, phases) as latency_client:
                found = json.loads(await asyncio.to_thread(latency_client.line))
            watching.cancel()
        for phase in found:
            _tell(phase)
        await where.check()


async def _memory(loaded: Fleet) -> None:
    while True:
        print(f"  {loaded.megabytes:.0f} MB at most in a process up to now", flush=True)
        await asyncio.sleep(_LOOK_SECONDS)


def _tell(phase: Phase) -> None:
    print(f"  at {phase['rate']:.0f}/s: p50 {phase['p50']} ms, p99 {phase['p99']} ms, most {phase['most']} ms")
    for second in phase["seconds"]:
        print(f"    second {second['second']:3}: {second['answers']:6,} requests, p50 {second['p50']:9,.1f} ms")
