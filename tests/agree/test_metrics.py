"""docs/observability.md lists each metric with its kind, labels and meaning, as the code has them."""

import pytest
from prometheus_client import CollectorRegistry

from agree.pages import ROOT, rows, section
from unenroll.telemetry.collectors import BuildInfo, LaneGauges, ServerGauges, api_meters, worker_meters
from unenroll.telemetry.metrics import API, BOTH, WORKER, MetricFamily
from unenroll.telemetry.state import ProcessState

PAGE = ROOT / "docs/observability.md"
BUILD = BuildInfo(version="1", schema="2", rules="3")
UNITS = {"seconds", "records", "total", "info", "connections", "max", "assigned", "open", "answers", "flight", "ratio"}


def registry_of(kind: str) -> CollectorRegistry:
    board = ProcessState()
    registry = worker_meters(BUILD).registry if kind == "worker" else api_meters(BUILD).registry
    registry.register(ServerGauges(board))
    if kind == "worker":
        registry.register(LaneGauges(board, topic_prefix="x."))
    return registry


@pytest.mark.parametrize(("kind", "families"), [("worker", WORKER), ("api", API)])
def test_what_is_served_is_what_the_families_say(kind: str, families: tuple[MetricFamily, ...]) -> None:
    served = {
        (metric.name + ("_total" if metric.type == "counter" else ""), metric.type, metric.documentation)
        for metric in registry_of(kind).collect()
        if metric.name.startswith("unenroll_")
    }
    assert served == {(family.name, family.kind, family.meaning) for family in families}


def only(families: tuple[MetricFamily, ...]) -> list[MetricFamily]:
    """Those that the other process does not have."""
    return [family for family in families if family not in BOTH]


@pytest.mark.parametrize(
    ("heading", "families"),
    [("Metrics of the worker", only(WORKER)), ("Metrics of the HTTP API", only(API)), ("Metrics of both", [*BOTH])],
)
def test_the_page_has_each_metric(heading: str, families: list[MetricFamily]) -> None:
    metric = [cells[:4] for cells in rows(section(PAGE, heading))]
    assert metric == [
        [family.name, family.kind, ", ".join(family.labels) or "\N{EN DASH}", family.meaning] for family in families
    ]


def test_names_end_with_their_unit() -> None:
    assert {family.name.rpartition("_")[2] for family in {*WORKER, *API}} == UNITS
