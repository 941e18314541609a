"""How fast a replay is, and what live requests notice of one: `make bench-replay`.

Live requests come at a constant rate: alone, beside a replay of what was decided before, which the ledger answers, and
beside one of what is missing, which the lanes decide. Each on a copy of the same tables, with one worker.
"""

import argparse
import asyncio
import json
from dataclasses import dataclass
from statistics import median
from time import monotonic

from benchmarks.backlog import Backlog
from benchmarks.disk import watched_disk
from benchmarks.fleet import Site, fleet, site
from benchmarks.latency import client
from benchmarks.processes import unenroll
from benchmarks.shared_servers import Ground, shared_ground
from benchmarks.variants import workers
from benchmarks.workload import Workload
from unenroll.sandbox.servers import provide_servers
from unenroll.wire.topics import Topic


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """So many live requests a second for so long, and so many records to replay."""

    rate: int
    seconds: int
    records: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What is done before the live requests come, and what beside them."""

    title: str
    replay_first: bool
    replay_beside: bool


_CASES = (
    Case(title="alone", replay_first=True, replay_beside=False),
    Case(title="beside a replay of what was decided before", replay_first=True, replay_beside=True),
    Case(title="beside a replay of what is missing", replay_first=False, replay_beside=True),
)


async def main(sizes: Sizes) -> None:
    """All cases, one after the other."""
    count = sizes.rate * sizes.seconds + sizes.records
    workload = Workload(requests=count, accounts=count)
    async with provide_servers({}, say=print) as servers, shared_ground(servers, workload, peer_requests=0) as place:
        for case in _CASES:
            print(f"live requests {case.title}", flush=True)
            await _run(place, case, sizes)


async def _run(place: Ground, case: Case, sizes: Sizes) -> None:
    async with site(place, workers(1), place.workload) as where:
        async with fleet(where):
            prefix = copied_topics(where, first=sizes.rate * sizes.seconds)
            if case.replay_first:
                await replayed(where, prefix, "a replay of what is missing, nothing beside it")
            await _live(where, case, sizes, prefix=prefix)
            if not case.replay_beside:
                await replayed(where, prefix, "a replay of what was decided before, nothing beside it")
        await where.check()


def copied_topics(where: Site, *, first: int) -> str:
    """Topics with the records to be replayed: the requests from this one on. Returns what their names begin with."""
    prefix, partitions = f"{where.prefix}copy.", where.ground.partitions
    unenroll({**where.environment, "UNENROLL_TOPIC_PREFIX": prefix}, "topics", "--partitions", str(partitions))
    records = Backlog(where.kafka, prefix + Topic.REQUESTS)
    records.put(where.workload.measured(partitions, first=first))
    records.show()
    return prefix


async def _live(where: Site, case: Case, sizes: Sizes, *, prefix: str) -> None:
    with watched_disk() as disk, client(where, [(sizes.rate, sizes.seconds)]) as latency_client:
        answered = asyncio.create_task(asyncio.to_thread(latency_client.line))
        while case.replay_beside and not answered.done():
            await replayed(where, prefix, "a replay, live requests beside it")
        (found,) = json.loads(await answered)
    seconds = [second["p99"] for second in found["seconds"][1:]]
    figures = f"p50 {found['p50']} ms, p99 {found['p99']} ms, p99 of the median second {median(seconds):.0f} ms"
    print(f"  live at {sizes.rate}/s: {figures}; the disk alone p99 {disk.share(of=0.99)} ms", flush=True)


async def replayed(where: Site, prefix: str, what: str) -> None:
    """Replay these topics, and print how fast that was."""
    began = monotonic()
    arguments = ("replay", "--from-topics", "--source-prefix", prefix, "--json")
    found = json.loads(await asyncio.to_thread(unenroll, where.environment, *arguments))
    seconds = monotonic() - began
    line = f"{found['read']:,} records, {found['missing']:,} missing, {seconds:.1f} s, {found['read'] / seconds:,.0f}/s"
    print(f"  {what}: {line}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=200, help="live requests a second")
    parser.add_argument("--seconds", type=int, default=20, help="of live requests")
    parser.add_argument("--records", type=int, default=60_000, help="to be replayed")
    asked = parser.parse_args()
    asyncio.run(main(Sizes(rate=asked.rate, seconds=asked.seconds, records=asked.records)))
