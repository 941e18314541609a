"""Measure this worker beside others that do the same, in one run: `make bench`."""

import argparse
import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from benchmarks.chart import chart
from benchmarks.finding import Finding
from benchmarks.latency import Phase, latencies
from benchmarks.results import results
from benchmarks.shared_servers import Ground, shared_ground
from benchmarks.trial import trial
from benchmarks.variants import VARIANTS, Variant
from benchmarks.workload import Workload
from unenroll.sandbox.servers import provide_servers

_LATEST = Path(__file__).with_name("latest.json")
_NAMES = [variant.name for variant in VARIANTS]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """How much of everything: peers get fewer requests, `latency_seconds` is for each of the rates."""

    requests: int = 40_000
    peer_requests: int = 4_000
    repeat: int = 3
    latency_seconds: int = 20


_QUICK = Sizes(requests=10_000, peer_requests=1_000, repeat=1, latency_seconds=5)


async def main(workload: Workload, sizes: Sizes, chosen: Sequence[Variant], *, save: bool) -> None:
    """Run every variant so often, one after the other, and say what was found."""
    findings: dict[str, list[Finding]] = {variant.name: [] for variant in chosen}
    waits: list[dict[int, Phase]] = []
    peer_requests = sizes.peer_requests if any(variant.peer for variant in chosen) else 0
    async with (
        provide_servers({}, say=print) as servers,
        shared_ground(servers, workload, peer_requests=peer_requests) as place,
    ):
        for number in range(1, sizes.repeat + 1):
            print(f"run {number} of {sizes.repeat}, load of the machine {os.getloadavg()[0]:.1f}", flush=True)
            await _each(place, chosen, findings)
            if sizes.latency_seconds:
                waits.append(await latencies(place, seconds=sizes.latency_seconds))
                _tell_latencies(waits[-1])
    _tell_medians(chosen, findings)
    if save or (waits and len(chosen) == len(VARIANTS)):
        found = results(findings, waits, workload)
        print(json.dumps(found, indent=2))
        if save:
            _LATEST.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
            _LATEST.with_suffix(".svg").write_text(chart(found), encoding="utf-8")


async def _each(place: Ground, chosen: Sequence[Variant], findings: dict[str, list[Finding]]) -> None:
    for variant in chosen:
        finding = await trial(place, variant)
        findings[variant.name].append(finding)
        _tell(variant, finding)


def _tell_medians(chosen: Sequence[Variant], findings: dict[str, list[Finding]]) -> None:
    print("medians; every request answered once, answers and tables as the core says")
    for variant in chosen:
        ordered = sorted(findings[variant.name], key=lambda finding: finding.rate)
        _tell(variant, ordered[len(ordered) // 2])


def _tell(variant: Variant, finding: Finding) -> None:
    cost = f"python {finding.python_us:5.0f}, postgres {finding.postgres_us:5.0f}, broker {finding.broker_us:5.0f} us"
    figures = f"{finding.rate:9,.0f}/s  {cost}  {finding.megabytes:4.0f} MB  ready {finding.ready_seconds:4.1f} s"
    print(f"  {variant.title:<38}{figures}", flush=True)


def _tell_latencies(found: dict[int, Phase]) -> None:
    for rate, phase in found.items():
        figures = f"p50 {phase['p50']} ms, p99 {phase['p99']} ms, most {phase['most']} ms"
        disk = f"the disk alone p99 {phase['disk_p99']} ms, most {phase['disk_most']} ms"
        print(f"  at {rate}/s: {figures}; {disk}", flush=True)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, once; nothing is kept")
    parser.add_argument("--requests", type=int, help="requests of a run")
    parser.add_argument("--accounts", type=int, help="accounts in the tables; unset: one for each request")
    parser.add_argument("--cycles", type=int, default=5)
    parser.add_argument("--rewards", type=int, default=3, help="of each account")
    parser.add_argument("--peer-requests", type=int, help="requests of a run of the per-message workers")
    parser.add_argument("--repeat", type=int)
    parser.add_argument("--latency-seconds", type=int, help="for each rate; 0: not measured")
    parser.add_argument("--variants", nargs="+", choices=_NAMES, default=_NAMES)
    return parser.parse_args()


def _sizes(arguments: argparse.Namespace) -> Sizes:
    usual = _QUICK if arguments.quick else Sizes()
    named = {name: value for name in Sizes.__slots__ if (value := getattr(arguments, name)) is not None}
    return Sizes(**{name: named.get(name, getattr(usual, name)) for name in Sizes.__slots__})


if __name__ == "__main__":
    began = monotonic()
    asked = _parsed()
    wanted = _sizes(asked)
    asyncio.run(
        main(
            Workload(
                requests=wanted.requests,
                accounts=asked.accounts or wanted.requests,
                cycles=asked.cycles,
                rewards=asked.rewards,
            ),
            wanted,
            [variant for variant in VARIANTS if variant.name in asked.variants],
            save=not asked.quick and asked.variants == _NAMES and wanted.latency_seconds > 0,
        )
    )
    print(f"{monotonic() - began:.0f} s in all")
