"""A histogram that takes a batch at once counts as Prometheus' own does, value by value."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import generate_latest

from unenroll.telemetry.collectors import AgeHistogram
from unenroll.telemetry.metrics import AGE_SECONDS

NAMES = ("event", "append")


@given(st.lists(st.lists(st.integers(-100, 10_000_000).map(lambda number: number / 8), max_size=30), max_size=4))
def test_it_counts_as_a_histogram_of_the_client_does(batches: list[list[float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    ages = AgeHistogram(AGE_SECONDS, NAMES)
    ours.register(ages)
    usual = Histogram(
        AGE_SECONDS.name, AGE_SECONDS.meaning, AGE_SECONDS.labels, buckets=AGE_SECONDS.buckets, registry=theirs
    )
    for name in NAMES:
        usual.labels(name)
    for batch in batches:
        for age in batch:
            usual.labels("event").observe(age)
        ages.take("event", list(batch))
    assert told(ours) == told(theirs)


def told(registry: CollectorRegistry) -> list[str]:
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if "_created" not in line and not line.startswith("#")]
