"""The metrics that the dashboard and the alerts may ask for, by name, with their kinds and labels."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from unenroll.telemetry.metrics import API, WORKER


class Metric(NamedTuple):
    """What is scraped under a name."""

    kind: str
    labels: tuple[str, ...] = ()


OURS: Mapping[str, Metric] = MappingProxyType(
    {family.name: Metric(family.kind, family.labels) for family in (*WORKER, *API)}
)

OF_THE_CLIENT: Mapping[str, Metric] = MappingProxyType(
    {
        "process_start_time_seconds": Metric("gauge"),
        "process_cpu_seconds_total": Metric("counter"),
        "process_resident_memory_bytes": Metric("gauge"),
        "process_open_fds": Metric("gauge"),
    }
)
"""What the metrics' library tells of every process."""

OF_PROMETHEUS = frozenset({"job", "instance", "namespace", "le"})
"""Labels that the scraping adds."""


def series() -> dict[str, Metric]:
    """All that can be asked for, by name: of a histogram its buckets, sum and count."""
    found: dict[str, Metric] = {}
    for name, metric in {**OURS, **OF_THE_CLIENT}.items():
        endings = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        found |= {name + ending: metric for ending in endings}
    return found
