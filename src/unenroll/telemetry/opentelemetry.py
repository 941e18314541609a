"""Spans by OpenTelemetry, sent as OTLP over HTTP. The standard variables OTEL_… configure where to and how many.

The spans of a batch are made after it was published, from the measured times: no batch waits for them.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from itertools import islice
from time import monotonic, perf_counter, time_ns

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from structlog import get_logger

from unenroll.telemetry.state import StepTiming
from unenroll.telemetry.tracing import Attributes, TracedCall, TracedRecord, Traces

log = get_logger()

_MAX_RECORDS = 32
_TRACEPARENT = "traceparent"
_SERVER_ERROR = 500
_LOG_INTERVAL_SECONDS = 60.0
_UNKNOWN_SERVICE = "unknown_service"


class OpenTelemetryTraces(Traces):
    """Sends spans to a collector."""

    enabled = True

    def __init__(self, service: str) -> None:
        logger = logging.getLogger("opentelemetry")
        logger.addHandler(_LogHandler())
        logger.propagate = False
        resource = Resource.create()
        if str(resource.attributes[SERVICE_NAME]).startswith(_UNKNOWN_SERVICE):
            resource = resource.merge(Resource({SERVICE_NAME: service}))
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("unenroll", version("unenroll"))
        self._w3c = TraceContextTextMapPropagator()

    def batch(self, steps: Sequence[StepTiming], records: Iterable[TracedRecord], attributes: Attributes) -> str | None:
        """Record a span for the batch with links to its records, and in each record's trace a span that links back.

        Returns the id of the batch's trace.
        """
        clock = _Clock()
        traced = [(record, self._context(record.traceparent)) for record in islice(records, _MAX_RECORDS)]
        links = [Link(get_current_span(context).get_span_context()) for _, context in traced]
        batch = self._span("batch", steps, clock=clock, parent=Context(), links=links, attributes=attributes)
        link = [Link(batch.get_span_context())]
        for record, context in traced:
            self._span(record.name, steps, clock=clock, parent=context, links=link, attributes=record.attributes)
        return format(batch.get_span_context().trace_id, "032x")

    def _span(  # noqa: PLR0913 - the properties of a span
        self,
        name: str,
        steps: Sequence[StepTiming],
        *,
        clock: "_Clock",
        parent: Context,
        links: Sequence[Link],
        attributes: Attributes,
    ) -> Span:
        span = self._tracer.start_span(
            name,
            parent,
            kind=SpanKind.CONSUMER,
            links=links,
            attributes=dict(attributes),
            start_time=clock.unix_ns(steps[0].began),
        )
        if span.is_recording():
            inside = set_span_in_context(span, Context())
            for step in steps:
                child = self._tracer.start_span(step.step, inside, start_time=clock.unix_ns(step.began))
                child.end(clock.unix_ns(step.ended))
        span.end(clock.unix_ns(steps[-1].ended))
        return span

    @contextmanager
    def call(self, traceparent: str | None) -> Iterator[TracedCall]:
        """Record a span for the call, in the trace of the caller or in a new one."""
        with self._tracer.start_as_current_span(
            "call", self._context(traceparent), kind=SpanKind.SERVER, record_exception=False
        ) as span:
            headers: dict[str, str] = {}
            self._w3c.inject(headers)
            yield _TracedCall(headers.get(_TRACEPARENT, traceparent), span)

    def shutdown(self) -> None:
        """Send the remaining spans. This may take some seconds."""
        self._provider.shutdown()

    def _context(self, traceparent: str | None) -> Context:
        return Context() if traceparent is None else self._w3c.extract({_TRACEPARENT: traceparent}, Context())


class _TracedCall(TracedCall):
    def __init__(self, traceparent: str | None, span: Span) -> None:
        super().__init__(traceparent)
        self._span = span

    def finish(self, name: str, status: int) -> None:
        self._span.update_name(name)
        self._span.set_attribute("http.response.status_code", status)
        if status >= _SERVER_ERROR:
            self._span.set_status(Status(StatusCode.ERROR))


class _Clock:
    """Converts times of `time.perf_counter` to nanoseconds since 1970."""

    def __init__(self) -> None:
        self._offset_ns = time_ns() - int(perf_counter() * 1e9)

    def unix_ns(self, seconds: float) -> int:
        return self._offset_ns + int(seconds * 1e9)


class _LogHandler(logging.Handler):
    """Logs the warnings of the client, once a minute at most: the worker does not need the collector."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._logged_at = -_LOG_INTERVAL_SECONDS

    def emit(self, record: logging.LogRecord) -> None:
        if monotonic() - self._logged_at >= _LOG_INTERVAL_SECONDS:
            self._logged_at = monotonic()
            log.warning("trace_export_failed", why=record.getMessage().splitlines()[0][:300])
