"""The metrics that the dashboard and the alerts may ask for, by name, with their kinds and labels."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Metric(NamedTuple):
    """What is scraped under a name."""

    kind: str
    labels: tuple[str, ...] = ()


OURS: Mapping[str, Metric] = MappingProxyType(
    {
        "unenroll_records_total": Metric("counter", ("topic", "outcome", "reason")),
        "unenroll_messages_published_total": Metric("counter", ("topic",)),
        "unenroll_dead_letters_total": Metric("counter", ("reason",)),
        "unenroll_batches_total": Metric("counter"),
        "unenroll_batch_records": Metric("histogram"),
        "unenroll_batch_step_seconds": Metric("histogram", ("step",)),
        "unenroll_age_seconds": Metric("histogram", ("since",)),
        "unenroll_lane_oldest_unprocessed_seconds": Metric("gauge", ("lane",)),
        "unenroll_lane_lag_records": Metric("gauge", ("lane", "topic")),
        "unenroll_lanes_assigned": Metric("gauge"),
        "unenroll_lanes_open": Metric("gauge"),
        "unenroll_lane_reopenings_total": Metric("counter", ("cause",)),
        "unenroll_retries_total": Metric("counter", ("server",)),
        "unenroll_last_progress_timestamp_seconds": Metric("gauge"),
        "unenroll_pool_connections": Metric("gauge", ("state",)),
        "unenroll_pool_size_max": Metric("gauge"),
        "unenroll_event_loop_lag_seconds": Metric("histogram"),
        "unenroll_server_answers": Metric("gauge", ("server",)),
        "unenroll_build_info": Metric("gauge", ("version", "schema", "rules")),
        "unenroll_api_requests_total": Metric("counter", ("route", "method", "status")),
        "unenroll_api_request_seconds": Metric("histogram", ("route",)),
        "unenroll_api_decision_wait_seconds": Metric("histogram"),
        "unenroll_api_in_flight": Metric("gauge"),
    }
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
