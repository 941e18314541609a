"""Measure this worker beside others that do the same, in one run: `make bench`."""

import argparse
import asyncio
import os

from benchmarks.crowd import Crowd
from benchmarks.finding import Finding
from benchmarks.ground import ground
from benchmarks.trial import trial
from benchmarks.variants import VARIANTS
from unenroll.sandbox.servers import provided

_REQUESTS, _PEER_REQUESTS, _REPEAT = 40_000, 4_000, 3
_QUICK_REQUESTS, _QUICK_PEER_REQUESTS, _QUICK_REPEAT = 10_000, 1_000, 1


async def main(crowd: Crowd, *, peer_requests: int, repeat: int, names: list[str]) -> None:
    """Run every variant so often, one after the other, and say what was found."""
    chosen = [variant for variant in VARIANTS if variant.name in names]
    findings: dict[str, list[Finding]] = {variant.name: [] for variant in chosen}
    if not any(variant.peer for variant in chosen):
        peer_requests = 0
    async with provided({}, say=print) as servers, ground(servers, crowd, peer_requests=peer_requests) as place:
        for number in range(1, repeat + 1):
            for variant in chosen:
                finding = await trial(place, variant)
                findings[variant.name].append(finding)
                print(f"{number}  {variant.title:<38}{_told(finding)}", flush=True)
    print(f"median of {repeat}; load of the machine {os.getloadavg()[0]:.1f}")
    for variant in chosen:
        middle = sorted(findings[variant.name], key=lambda one: one.rate)[len(findings[variant.name]) // 2]
        print(f"   {variant.title:<38}{_told(middle)}")


def _told(finding: Finding) -> str:
    cost = f"python {finding.python_us:5.0f}, postgres {finding.postgres_us:5.0f}, broker {finding.broker_us:4.0f} us"
    return f"{finding.rate:9,.0f}/s  {cost}  {finding.megabytes:4.0f} MB  ready {finding.ready_seconds:.1f} s"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--requests", type=int)
    parser.add_argument("--accounts", type=int)
    parser.add_argument("--repeat", type=int)
    parser.add_argument("--variants", nargs="+", default=[variant.name for variant in VARIANTS])
    chosen = parser.parse_args()
    requests = chosen.requests or (_QUICK_REQUESTS if chosen.quick else _REQUESTS)
    asyncio.run(
        main(
            Crowd(requests=requests, accounts=chosen.accounts or requests),
            peer_requests=_QUICK_PEER_REQUESTS if chosen.quick else _PEER_REQUESTS,
            repeat=chosen.repeat or (_QUICK_REPEAT if chosen.quick else _REPEAT),
            names=chosen.variants,
        )
    )
