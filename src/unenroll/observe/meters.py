"""The meters that are passed down, in a registry of their own: nothing of the process is shared."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from unenroll.observe import families
from unenroll.observe.ages import Ages
from unenroll.observe.families import Family

EVENT, APPEND = "event", "append"
"""Since when ages count: the event's time, or when the record was appended to its topic."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """What runs: the version of the program, of the tables and of the hash of an event's content."""

    version: str
    schema: str
    rules: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Meters:
    """Those of the worker. What is a state and no event is told by `gauges`, when it is asked for."""

    registry: CollectorRegistry
    records: Counter
    published: Counter
    dead_letters: Counter
    batches: Counter
    batch_records: Histogram
    step_seconds: Histogram
    ages: Ages
    reopenings: Counter
    retries: Counter
    loop_lag: Histogram


@dataclass(frozen=True, kw_only=True, slots=True)
class FrontMeters:
    """Those of the HTTP API."""

    registry: CollectorRegistry
    requests: Counter
    request_seconds: Histogram
    decision_wait: Histogram
    in_flight: Gauge
    loop_lag: Histogram


def worker_meters(build: Build) -> Meters:
    """All at zero."""
    registry = _registry(build)
    ages = Ages(families.AGE_SECONDS, (EVENT, APPEND))
    registry.register(ages)
    return Meters(
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


def front_meters(build: Build) -> FrontMeters:
    """All at zero."""
    registry = _registry(build)
    return FrontMeters(
        registry=registry,
        requests=_counter(families.API_REQUESTS, registry),
        request_seconds=_histogram(families.API_SECONDS, registry),
        decision_wait=_histogram(families.API_WAIT, registry),
        in_flight=Gauge(families.API_IN_FLIGHT.name, families.API_IN_FLIGHT.meaning, registry=registry),
        loop_lag=_histogram(families.LOOP_LAG, registry),
    )


def _registry(build: Build) -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    info = Gauge(families.BUILD.name, families.BUILD.meaning, families.BUILD.labels, registry=registry)
    info.labels(version=build.version, schema=build.schema, rules=build.rules).set(1)
    return registry


def _counter(family: Family, registry: CollectorRegistry) -> Counter:
    return Counter(family.name, family.meaning, family.labels, registry=registry)


def _histogram(family: Family, registry: CollectorRegistry) -> Histogram:
    return Histogram(family.name, family.meaning, family.labels, buckets=family.buckets, registry=registry)
