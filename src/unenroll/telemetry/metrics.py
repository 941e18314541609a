"""All metrics with their names, labels and meanings. A test compares docs/observability.md with this module."""

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]


class MetricFamily(NamedTuple):
    """A metric. `buckets` are the upper bounds of a histogram, in its unit."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_STEPS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000)
_AGES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86_400, 604_800)
_LAGS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_CALLS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

RECORDS = MetricFamily(
    "unenroll_records_total",
    "counter",
    "Records processed. outcome: unenrolled, refused, fact, duplicate, erased or dead_lettered; "
    "reason: the name of the outcome, the type of the fact, or the reason of the dead letter",
    ("topic", "outcome", "reason"),
)
PUBLISHED = MetricFamily("unenroll_messages_published_total", "counter", "Messages published and committed", ("topic",))
DEAD_LETTERS = MetricFamily(
    "unenroll_dead_letters_total", "counter", "Records put on topic dead-letters, by header dlq_reason", ("reason",)
)
BATCHES = MetricFamily(
    "unenroll_batches_total", "counter", "Batches decided and published, including those without records"
)
BATCH_RECORDS = MetricFamily("unenroll_batch_records", "histogram", "Records in a batch", (), _SIZES)
STEP_SECONDS = MetricFamily(
    "unenroll_batch_step_seconds",
    "histogram",
    "Time of a batch in a step: decode, gather, settle, save (in Postgres, with the commit) or publish",
    ("step",),
    _STEPS,
)
AGE_SECONDS = MetricFamily(
    "unenroll_age_seconds",
    "histogram",
    "Age of a record when its answer becomes visible, since the event's time or since the record was appended; "
    "without duplicates",
    ("since",),
    _AGES,
)
OLDEST_SECONDS = MetricFamily(
    "unenroll_lane_oldest_unprocessed_seconds",
    "gauge",
    "How long the oldest unprocessed record of the lane has waited; 0: there is none",
    ("lane",),
)
LAG_RECORDS = MetricFamily(
    "unenroll_lane_lag_records",
    "gauge",
    "Offsets between the lane's published position and the end of its partition, transaction markers included",
    ("lane", "topic"),
)
WITHHELD_RECORDS = MetricFamily(
    "unenroll_lane_withheld_records",
    "gauge",
    "Offsets between the last stable offset and the high watermark: a transaction that is open withholds them",
    ("lane", "topic"),
)
LARGEST_ACCOUNT = MetricFamily(
    "unenroll_largest_account_ratio",
    "gauge",
    "Facts of the largest account that changed since the start of the process, as a share of "
    "UNENROLL_MAX_ACCOUNT_FACTS",
)
LANES_ASSIGNED = MetricFamily(
    "unenroll_lanes_assigned", "gauge", "Lanes that the consumer group has assigned to this process"
)
LANES_OPEN = MetricFamily(
    "unenroll_lanes_open",
    "gauge",
    "Lanes that this process has opened: it has fenced their former owners and found their positions",
)
REOPENINGS = MetricFamily(
    "unenroll_lane_reopenings_total",
    "counter",
    "Lanes opened again with a new producer, after any error. cause: kafka, postgres or lane_lost",
    ("cause",),
)
RETRIES = MetricFamily(
    "unenroll_retries_total",
    "counter",
    "Batches retried because a server did not answer or asked for a retry",
    ("server",),
)
POOL_CONNECTIONS = MetricFamily(
    "unenroll_pool_connections", "gauge", "Connections to Postgres: idle or in_use", ("state",)
)
POOL_MOST = MetricFamily("unenroll_pool_size_max", "gauge", "Maximum number of connections in the pool")
LOOP_LAG = MetricFamily(
    "unenroll_event_loop_lag_seconds",
    "histogram",
    "How late the event loop ends a wait of a quarter of a second",
    (),
    _LAGS,
)
LAST_PROGRESS = MetricFamily(
    "unenroll_last_progress_timestamp_seconds",
    "gauge",
    "Unix time of the last published batch; before the first one: of the start of the process",
)
SERVER_ANSWERS = MetricFamily(
    "unenroll_server_answers", "gauge", "1 while the server answers, 0 while it does not", ("server",)
)
BUILD = MetricFamily(
    "unenroll_build_info",
    "gauge",
    "Always 1. version: of the program; schema: of the tables; rules: of the content hash of events",
    ("version", "schema", "rules"),
)
API_REQUESTS = MetricFamily("unenroll_api_requests_total", "counter", "Calls answered", ("route", "method", "status"))
API_SECONDS = MetricFamily(
    "unenroll_api_request_seconds",
    "histogram",
    "Time from the head of a call to the end of its answer",
    ("route",),
    _CALLS,
)
API_WAIT = MetricFamily(
    "unenroll_api_decision_wait_seconds",
    "histogram",
    "Time from Kafka's acknowledgment of an event to its decision, or to the end of the wait for it",
    (),
    _CALLS,
)
API_IN_FLIGHT = MetricFamily("unenroll_api_in_flight", "gauge", "Calls in flight")

BOTH = (POOL_CONNECTIONS, POOL_MOST, LOOP_LAG, SERVER_ANSWERS, BUILD)
"""The metrics that the worker and the HTTP API both have."""

WORKER = (
    RECORDS,
    PUBLISHED,
    DEAD_LETTERS,
    BATCHES,
    BATCH_RECORDS,
    STEP_SECONDS,
    AGE_SECONDS,
    OLDEST_SECONDS,
    LAG_RECORDS,
    WITHHELD_RECORDS,
    LARGEST_ACCOUNT,
    LANES_ASSIGNED,
    LANES_OPEN,
    REOPENINGS,
    RETRIES,
    LAST_PROGRESS,
    *BOTH,
)
"""The metrics of `unenroll run`."""

API = (API_REQUESTS, API_SECONDS, API_WAIT, API_IN_FLIGHT, *BOTH)
"""The metrics of `unenroll api`."""
