"""The metrics of the worker and of the HTTP API, each in a registry of its own."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from time import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from unenroll.telemetry import metrics
from unenroll.telemetry.metrics import MetricFamily
from unenroll.telemetry.state import ProcessState


class AgeHistogram(Collector):
    """A histogram with one label, whose values are `names`. It observes many values at once."""

    def __init__(self, family: MetricFamily, names: Iterable[str]) -> None:
        self._family = family
        self._counts = {name: [0] * (len(family.buckets) + 1) for name in names}
        self._sums = dict.fromkeys(self._counts, 0.0)

    def observe_all(self, name: str, values: list[float]) -> None:
        """Observe the values. Sorts the list in place."""
        values.sort()
        counts, before = self._counts[name], 0
        for index, bound in enumerate(self._family.buckets):
            upto = bisect_right(values, bound)
            counts[index] += upto - before
            before = upto
        counts[-1] += len(values) - before
        self._sums[name] += sum(values)

    def collect(self) -> Iterator[Metric]:
        """Return the histogram in Prometheus' form."""
        metric = HistogramMetricFamily(self._family.name, self._family.meaning, labels=self._family.labels)
        bounds = [*(f"{float(bound)}" for bound in self._family.buckets), "+Inf"]
        for name, counts in self._counts.items():
            buckets = list(zip(bounds, accumulate(counts), strict=True))
            metric.add_metric([name], buckets=buckets, sum_value=self._sums[name])
        yield metric


EVENT, APPEND = "event", "append"
"""What an age is measured from: the time of the event, or the time when the record was appended to its topic."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildInfo:
    """The versions of the program, of the tables and of the content hash of events."""

    version: str
    schema: str
    rules: str


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerMeters:
    """The counters and histograms of the worker. ServerGauges and LaneGauges read the rest from the process state."""

    registry: CollectorRegistry
    records: Counter
    published: Counter
    dead_letters: Counter
    batches: Counter
    batch_records: Histogram
    step_seconds: Histogram
    ages: AgeHistogram
    reopenings: Counter
    retries: Counter
    loop_lag: Histogram


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiMeters:
    """The metrics of the HTTP API."""

    registry: CollectorRegistry
    requests: Counter
    request_seconds: Histogram
    decision_wait: Histogram
    in_flight: Gauge
    loop_lag: Histogram


def worker_meters(build: BuildInfo) -> WorkerMeters:
    """The metrics of a worker that starts."""
    registry = _registry(build)
    ages = AgeHistogram(metrics.AGE_SECONDS, (EVENT, APPEND))
    registry.register(ages)
    return WorkerMeters(
        registry=registry,
        records=_counter(metrics.RECORDS, registry),
        published=_counter(metrics.PUBLISHED, registry),
        dead_letters=_counter(metrics.DEAD_LETTERS, registry),
        batches=_counter(metrics.BATCHES, registry),
        batch_records=_histogram(metrics.BATCH_RECORDS, registry),
        step_seconds=_histogram(metrics.STEP_SECONDS, registry),
        ages=ages,
        reopenings=_counter(metrics.REOPENINGS, registry),
        retries=_counter(metrics.RETRIES, registry),
        loop_lag=_histogram(metrics.LOOP_LAG, registry),
    )


def api_meters(build: BuildInfo) -> ApiMeters:
    """The metrics of an HTTP API that starts."""
    registry = _registry(build)
    return ApiMeters(
        registry=registry,
        requests=_counter(metrics.API_REQUESTS, registry),
        request_seconds=_histogram(metrics.API_SECONDS, registry),
        decision_wait=_histogram(metrics.API_WAIT, registry),
        in_flight=Gauge(metrics.API_IN_FLIGHT.name, metrics.API_IN_FLIGHT.meaning, registry=registry),
        loop_lag=_histogram(metrics.LOOP_LAG, registry),
    )


def _registry(build: BuildInfo) -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    info = Gauge(metrics.BUILD.name, metrics.BUILD.meaning, metrics.BUILD.labels, registry=registry)
    info.labels(version=build.version, schema=build.schema, rules=build.rules).set(1)
    return registry


def _counter(family: MetricFamily, registry: CollectorRegistry) -> Counter:
    return Counter(family.name, family.meaning, family.labels, registry=registry)


def _histogram(family: MetricFamily, registry: CollectorRegistry) -> Histogram:
    return Histogram(family.name, family.meaning, family.labels, buckets=family.buckets, registry=registry)


class ServerGauges(Collector):
    """Whether the servers answer, and the connections to Postgres."""

    def __init__(self, state: ProcessState) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """Return the gauges in Prometheus' form."""
        answers = _gauge(metrics.SERVER_ANSWERS)
        for server, outage in self._state.servers.items():
            answers.add_metric([server], outage is None)
        yield answers
        idle, size, maximum = self._state.pool_sizes()
        connections = _gauge(metrics.POOL_CONNECTIONS)
        connections.add_metric(["idle"], idle)
        connections.add_metric(["in_use"], size - idle)
        yield connections
        yield _single(metrics.POOL_MOST, maximum)


class LaneGauges(Collector):
    """The lanes that this worker has."""

    def __init__(self, state: ProcessState, *, topic_prefix: str) -> None:
        self._state = state
        self._prefix = topic_prefix

    def collect(self) -> Iterator[Metric]:
        """Return the gauges in Prometheus' form."""
        lanes = self._state.lanes
        yield _single(metrics.LANES_ASSIGNED, len(lanes))
        yield _single(metrics.LANES_OPEN, sum(lane.open for lane in lanes.values()))
        yield _single(metrics.LAST_PROGRESS, self._state.progress_at)
        yield _single(metrics.LARGEST_ACCOUNT, self._state.largest_account)
        lags, oldest = _gauge(metrics.LAG_RECORDS), _gauge(metrics.OLDEST_SECONDS)
        withheld = _gauge(metrics.WITHHELD_RECORDS)
        for number, lane in lanes.items():
            oldest.add_metric([str(number)], 0.0 if lane.oldest is None else max(0.0, time() - lane.oldest))
            for topic, lag in lane.lags.items():
                lags.add_metric([str(number), topic.removeprefix(self._prefix)], lag)
            for topic, records in lane.withheld.items():
                withheld.add_metric([str(number), topic.removeprefix(self._prefix)], records)
        yield lags
        yield withheld
        yield oldest


def _gauge(family: MetricFamily) -> GaugeMetricFamily:
    return GaugeMetricFamily(family.name, family.meaning, labels=family.labels)


def _single(family: MetricFamily, value: float) -> Metric:
    return GaugeMetricFamily(family.name, family.meaning, value=value)
