"""AgeHistogram observes many values at once and counts like the histogram of the Prometheus client."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import generate_latest

from unenroll.telemetry.collectors import AgeHistogram
from unenroll.telemetry.metrics import AGE_SECONDS

NAMES = ("event", "append")


@given(st.lists(st.lists(st.integers(-100, 10_000_000).map(lambda number: number / 8), max_size=30), max_size=4))
def test_it_counts_like_the_histogram_of_the_client(batches: list[list[float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    ages = AgeHistogram(AGE_SECONDS, NAMES)
    ours.register(ages)
    theirs_histogram = Histogram(
        AGE_SECONDS.name, AGE_SECONDS.meaning, AGE_SECONDS.labels, buckets=AGE_SECONDS.buckets, registry=theirs
    )
    for name in NAMES:
        theirs_histogram.labels(name)
    for batch in batches:
        for age in batch:
            theirs_histogram.labels("event").observe(age)
        ages.observe_all("event", list(batch))
    assert samples(ours) == samples(theirs)


def samples(registry: CollectorRegistry) -> list[str]:
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if "_created" not in line and not line.startswith("#")]
