"""What a run found, as flat keys: the median over the repetitions, and with `_min` and `_max` its range."""

import os
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.finding import Finding
from benchmarks.workload import Workload

Findings = Mapping[str, Sequence[Finding]]
Latencies = Sequence[Mapping[int, Mapping[str, Any]]]
Results = dict[str, float]

_RATIOS = {
    "ratio_fair_peer": ("worker_2", "aiokafka"),
    "ratio_faststream": ("worker_2", "faststream"),
    "ratio_postgres_step": ("worker_2", "step_2"),
    "ratio_postgres_step_one_process": ("worker_1", "step_1"),
    "ratio_floor": ("worker_2", "floor"),
}
_COSTS: Mapping[str, Callable[[Finding], float]] = {
    "cpu_us_postgres": lambda finding: finding.postgres_us,
    "cpu_us_python": lambda finding: finding.python_us,
    "cpu_us_broker": lambda finding: finding.broker_us,
}
_DIGITS = 2


def results(findings: Findings, latencies: Latencies, workload: Workload) -> Results:
    """All keys. Ratios are of runs of the same repetition."""
    found: Results = {
        "requests": workload.requests,
        "accounts": workload.accounts,
        "repetitions": len(findings["worker_2"]),
        "processors": os.cpu_count() or 0,
        "load_average": round(os.getloadavg()[1], _DIGITS),
    }
    for key, (ours, other) in _RATIOS.items():
        pairs = zip(findings[ours], findings[other], strict=True)
        _put(found, key, [one.rate / beside.rate for one, beside in pairs])
    for key, cost in _COSTS.items():
        _put(found, key, [cost(finding) for finding in findings["worker_2"]])
        _put(found, f"{key}_one_process", [cost(finding) for finding in findings["worker_1"]])
    _put(found, "rss_mb", [max(pair) for pair in zip(*(_megabytes(findings[name]) for name in _OURS), strict=True)])
    for rate in latencies[0]:
        for figure in ("p50", "p99", "disk_p99", "disk_most"):
            _put(found, f"{figure}_ms_{rate}", [one[rate][figure] for one in latencies])
    for name, held in findings.items():
        _put(found, f"rate_{name}", [finding.rate for finding in held])
    return found


_OURS = ("worker_1", "worker_2")


def _megabytes(findings: Sequence[Finding]) -> list[float]:
    return [finding.megabytes for finding in findings]


def _put(found: Results, key: str, values: Sequence[float]) -> None:
    found[key] = round(median(values), _DIGITS)
    found[f"{key}_min"] = round(min(values), _DIGITS)
    found[f"{key}_max"] = round(max(values), _DIGITS)
