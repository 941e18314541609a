"""How the worker behaves as sizes grow: `make bench-scale`. Each run can be asked for alone, by its name."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from time import monotonic

from benchmarks.finding import Finding
from benchmarks.fleet import fleet, site
from benchmarks.overload import overload
from benchmarks.shared_servers import shared_ground
from benchmarks.trial import trial
from benchmarks.variants import workers
from benchmarks.watching import Visible
from benchmarks.workload import Workload
from unenroll.sandbox.servers import ServerAddresses, provide_servers

_PROCESSES = (1, 2, 4)
_PROGRESS_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """How much of everything."""

    requests: int
    backlog: int
    accounts: tuple[int, ...]
    cycles: tuple[int, ...]
    rewards: tuple[int, ...]
    overload_seconds: int
    overload_rate: int
    partitions: tuple[int, ...]


async def processes(servers: ServerAddresses, sizes: Sizes) -> None:
    """1, 2 and 4 processes share 4, 16 and 48 partitions, or as many as are asked for."""
    workload = Workload(requests=sizes.requests, accounts=sizes.requests)
    async with shared_ground(servers, workload, peer_requests=0) as place:
        for partitions in sizes.partitions:
            for count in _PROCESSES:
                finding = await trial(replace(place, partitions=partitions), workers(count))
                _tell(f"{count} processes, {partitions} partitions", finding)


async def backlog(servers: ServerAddresses, sizes: Sizes) -> None:
    """Two processes drain a big backlog."""
    workload = Workload(requests=sizes.backlog, accounts=sizes.backlog)
    async with shared_ground(servers, workload, peer_requests=0) as place, site(place, workers(2), workload) as where:
        async with fleet(where) as drained:
            drained.backlog.put(workload.measured(place.partitions))
            visible, began = drained.visible(), monotonic()
            first, told = sum(visible.ends), began

            def progress(now: Visible) -> None:
                nonlocal told
                if monotonic() - told > _PROGRESS_SECONDS:
                    told = monotonic()
                    memory = f"{drained.megabytes:.0f} MB at most in a process"
                    print(f"  {told - began:5.0f} s: {sum(now.ends) - first:,} events visible, {memory}", flush=True)

            drained.backlog.show()
            await drained.drained(visible, progress=progress)
            seconds = visible.changed_at - began
            print(
                f"  {workload.requests:,} requests in {seconds:.0f} s, {workload.requests / seconds:,.0f}/s", flush=True
            )
        print("  now held against the core, one by one", flush=True)
        await where.check()


async def accounts(servers: ServerAddresses, sizes: Sizes) -> None:
    """The same requests in larger tables, with more cycles, and with more rewards of each account."""
    usual = Workload(requests=sizes.requests, accounts=sizes.requests)
    crowds = [
        *(replace(usual, requests=min(count, sizes.requests), accounts=count) for count in sizes.accounts),
        *(replace(usual, cycles=count) for count in sizes.cycles),
        *(replace(usual, rewards=count) for count in sizes.rewards),
    ]
    for workload in crowds:
        async with shared_ground(servers, workload, peer_requests=0) as place:
            finding = await trial(place, workers(1))
            _tell(f"{workload.accounts:,} accounts, {workload.cycles} cycles, {workload.rewards} rewards", finding)


async def too_much(servers: ServerAddresses, sizes: Sizes) -> None:
    """More is published than the worker can do, for a while."""
    rate, seconds = sizes.overload_rate, sizes.overload_seconds
    await overload(servers, rate=rate, seconds=seconds, calm_seconds=seconds)


_RUNS: Mapping[str, Callable[[ServerAddresses, Sizes], Awaitable[None]]] = {
    "processes": processes,
    "accounts": accounts,
    "overload": too_much,
    "backlog": backlog,
}


async def main(names: list[str], sizes: Sizes) -> None:
    """Each of the runs, on servers of its own."""
    for name in names:
        async with provide_servers({}, say=print) as servers:
            print(f"{name}: {(_RUNS[name].__doc__ or '').strip()}", flush=True)
            await _RUNS[name](servers, sizes)


def _tell(what: str, finding: Finding) -> None:
    cost = f"python {finding.python_us:.0f}, postgres {finding.postgres_us:.0f}, broker {finding.broker_us:.0f} us"
    print(f"  {what}: {finding.rate:,.0f}/s; {cost}; {finding.megabytes:.0f} MB", flush=True)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", help=f"of {', '.join(_RUNS)}; none: all of them")
    parser.add_argument("--requests", type=int, default=20_000, help="of a run")
    parser.add_argument("--backlog", type=int, default=1_000_000, help="requests in the big backlog")
    parser.add_argument("--accounts", type=int, nargs="+", default=[10_000, 100_000, 1_000_000, 3_000_000])
    parser.add_argument("--cycles", type=int, nargs="+", default=[5, 50, 500])
    parser.add_argument("--rewards", type=int, nargs="+", default=[3, 50])
    parser.add_argument("--partitions", type=int, nargs="+", default=[4, 16, 48], help="that processes share")
    parser.add_argument("--overload-rate", type=int, default=20_000, help="requests a second, more than can be done")
    parser.add_argument("--overload-seconds", type=int, default=15)
    return parser.parse_args()


if __name__ == "__main__":
    asked = _parsed()
    asyncio.run(
        main(
            asked.runs or list(_RUNS),
            Sizes(
                requests=asked.requests,
                backlog=asked.backlog,
                accounts=tuple(asked.accounts),
                cycles=tuple(asked.cycles),
                rewards=tuple(asked.rewards),
                overload_seconds=asked.overload_seconds,
                overload_rate=asked.overload_rate,
                partitions=tuple(asked.partitions),
            ),
        )
    )
