"""The meters that are passed down, in a registry of their own: nothing of the process is shared."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from unenroll.telemetry import metrics as families
from unenroll.telemetry.metrics import MetricFamily
from unenroll.telemetry.state import ProcessState


class AgeHistogram(Collector):
    """The histograms of a family with one label, whose values are `names`."""

    def __init__(self, family: MetricFamily, names: Iterable[str]) -> None:
        self._family = family
        self._counts = {name: [0] * (len(family.buckets) + 1) for name in names}
        self._sums = dict.fromkeys(self._counts, 0.0)

    def take(self, name: str, values: list[float]) -> None:
        """Count the values, which are sorted here."""
        values.sort()
        counts, before = self._counts[name], 0
        for place, bound in enumerate(self._family.buckets):
            upto = bisect_right(values, bound)
            counts[place] += upto - before
            before = upto
        counts[-1] += len(values) - before
        self._sums[name] += sum(values)

    def collect(self) -> Iterator[Metric]:
        """As Prometheus reads it."""
        told = HistogramMetricFamily(self._family.name, self._family.meaning, labels=self._family.labels)
        bounds = [*(f"{float(bound)}" for bound in self._family.buckets), "+Inf"]
        for name, counts in self._counts.items():
            below, upto = 0, []
            for bound, count in zip(bounds, counts, strict=True):
                below += count
                upto.append((bound, below))
            told.add_metric([name], buckets=upto, sum_value=self._sums[name])
        yield told


EVENT, APPEND = "event", "append"
"""Since when ages count: the event's time, or when the record was appended to its topic."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildInfo:
    """What runs: the version of the program, of the tables and of the hash of an event's content."""

    version: str
    schema: str
    rules: str


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerMeters:
    """Those of the worker. What is a state and no event is told by `gauges`, when it is asked for."""

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
    """Those of the HTTP API."""

    registry: CollectorRegistry
    requests: Counter
    request_seconds: Histogram
    decision_wait: Histogram
    in_flight: Gauge
    loop_lag: Histogram


def worker_meters(build: BuildInfo) -> WorkerMeters:
    """All at zero."""
    registry = _registry(build)
    ages = AgeHistogram(families.AGE_SECONDS, (EVENT, APPEND))
    registry.register(ages)
    return WorkerMeters(
        registry=registry,
        records=_counter(families.RECORDS, registry),
        published=_counter(families.PUBLISHED, registry),
        dead_letters=_counter(families.DEAD_LETTERS, registry),
        batches=_counter(families.BATCHES, registry),
        batch_records=_histogram(families.BATCH_RECORDS, registry),
        step_seconds=_histogram(families.STEP_SECONDS, registry),
        ages=ages,
        reopenings=_counter(families.REOPENINGS, registry),
        retries=_counter(families.RETRIES, registry),
        loop_lag=_histogram(families.LOOP_LAG, registry),
    )


def api_meters(build: BuildInfo) -> ApiMeters:
    """All at zero."""
    registry = _registry(build)
    return ApiMeters(
        registry=registry,
        requests=_counter(families.API_REQUESTS, registry),
        request_seconds=_histogram(families.API_SECONDS, registry),
        decision_wait=_histogram(families.API_WAIT, registry),
        in_flight=Gauge(families.API_IN_FLIGHT.name, families.API_IN_FLIGHT.meaning, registry=registry),
        loop_lag=_histogram(families.LOOP_LAG, registry),
    )


def _registry(build: BuildInfo) -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    info = Gauge(families.BUILD.name, families.BUILD.meaning, families.BUILD.labels, registry=registry)
    info.labels(version=build.version, schema=build.schema, rules=build.rules).set(1)
    return registry


def _counter(family: MetricFamily, registry: CollectorRegistry) -> Counter:
    return Counter(family.name, family.meaning, family.labels, registry=registry)


def _histogram(family: MetricFamily, registry: CollectorRegistry) -> Histogram:
    return Histogram(family.name, family.meaning, family.labels, buckets=family.buckets, registry=registry)


class ServerGauges(Collector):
    """The servers that a process needs, and its connections to Postgres."""

    def __init__(self, board: ProcessState) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """As Prometheus reads it."""
        answers = _gauge(families.SERVER_ANSWERS)
        for server, away in self._board.servers.items():
            answers.add_metric([server], away is None)
        yield answers
        idle, size, most = self._board.pool()
        connections = _gauge(families.POOL_CONNECTIONS)
        connections.add_metric(["idle"], idle)
        connections.add_metric(["in_use"], size - idle)
        yield connections
        yield _single(families.POOL_MOST, most)


class LaneGauges(Collector):
    """The lanes of a worker. A lane that another worker has is told of by that one alone."""

    def __init__(self, board: ProcessState, *, topic_prefix: str) -> None:
        self._board = board
        self._prefix = topic_prefix

    def collect(self) -> Iterator[Metric]:
        """As Prometheus reads it."""
        lanes = self._board.lanes
        yield _single(families.LANES_ASSIGNED, len(lanes))
        yield _single(families.LANES_OPEN, sum(lane.open for lane in lanes.values()))
        yield _single(families.LAST_PROGRESS, self._board.progress_at)
        lags, oldest = _gauge(families.LAG_RECORDS), _gauge(families.OLDEST_SECONDS)
        for number, lane in lanes.items():
            oldest.add_metric([str(number)], 0.0 if lane.oldest is None else max(0.0, time() - lane.oldest))
            for topic, lag in lane.lags.items():
                lags.add_metric([str(number), topic.removeprefix(self._prefix)], lag)
        yield lags
        yield oldest


def _gauge(family: MetricFamily) -> GaugeMetricFamily:
    return GaugeMetricFamily(family.name, family.meaning, labels=family.labels)


def _single(family: MetricFamily, value: float) -> Metric:
    return GaugeMetricFamily(family.name, family.meaning, value=value)
