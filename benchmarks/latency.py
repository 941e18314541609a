"""How soon requests are answered at a constant rate: one process of this worker, and a client beside it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from benchmarks.arguments import workload_text
from benchmarks.disk import watched_disk
from benchmarks.fleet import Site, fleet, site
from benchmarks.processes import Running, python, running_programs
from benchmarks.shared_servers import Ground
from benchmarks.variants import workers

RATES = (100, 500)

Phase = dict[str, Any]


async def latencies(ground: Ground, *, seconds: int, rates: Sequence[int] = RATES) -> dict[int, Phase]:
    """What the answers took at each of the rates, one after the other, and what the disk took meanwhile."""
    found = {}
    for rate in rates:
        workload = replace(ground.workload, requests=rate * seconds)
        async with site(ground, workers(1), workload) as where:
            async with fleet(where):
                with watched_disk() as disk, client(where, [(rate, seconds)]) as latency_client:
                    (found[rate],) = json.loads(latency_client.line())
            found[rate] |= {"disk_p99": disk.share(of=0.99), "disk_most": disk.share(of=1)}
            await where.check()
    return found


@contextmanager
def client(where: Site, phases: Sequence[tuple[int, int]]) -> Iterator[Running]:
    """The client, which prints what it found once all is answered."""
    asked = [f"{rate}:{seconds}" for rate, seconds in phases]
    arguments = ["--partitions", str(where.ground.partitions), "--phases", *asked]
    command = python("benchmarks.latency_client", workload_text(where.workload), *arguments)
    with running_programs(where.environment, [command]) as (latency_client,):
        yield latency_client
