"""Spans by OpenTelemetry, sent as OTLP over HTTP. Everything about where and how many is a variable OTEL_… of its own.

They are made when all is done, from times that were measured anyway: nothing waits for a span.
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

_MOST_PARTS = 32
_TRACEPARENT = "traceparent"
_FIRST_FAILURE = 500
_SAID_AGAIN_SECONDS = 60.0
_UNKNOWN = "unknown_service"


class OpenTelemetryTraces(Traces):
    """Spans for a collector."""

    on = True

    def __init__(self, service: str) -> None:
        logger = logging.getLogger("opentelemetry")
        logger.addHandler(_InOurLog())
        logger.propagate = False
        resource = Resource.create()
        if str(resource.attributes[SERVICE_NAME]).startswith(_UNKNOWN):
            resource = resource.merge(Resource({SERVICE_NAME: service}))
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("unenroll", version("unenroll"))
        self._w3c = TraceContextTextMapPropagator()

    def batch(self, laps: Sequence[StepTiming], parts: Iterable[TracedRecord], attributes: Attributes) -> str | None:
        """A span for the batch, which links to its parts; for each part one in its own trace, which links back."""
        clock = _Clock()
        told = [(part, self._context(part.traceparent)) for part in islice(parts, _MOST_PARTS)]
        links = [Link(get_current_span(context).get_span_context()) for _, context in told]
        whole = self._told("batch", laps, clock=clock, parent=Context(), links=links, attributes=attributes)
        for part, context in told:
            link = [Link(whole.get_span_context())]
            self._told(part.name, laps, clock=clock, parent=context, links=link, attributes=part.attributes)
        return format(whole.get_span_context().trace_id, "032x")

    def _told(  # noqa: PLR0913 - all that a span has
        self,
        name: str,
        laps: Sequence[StepTiming],
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
            start_time=clock.at(laps[0].began),
        )
        if span.is_recording():
            inside = set_span_in_context(span, Context())
            for lap in laps:
                step = self._tracer.start_span(lap.step, inside, start_time=clock.at(lap.began))
                step.end(clock.at(lap.ended))
        span.end(clock.at(laps[-1].ended))
        return span

    @contextmanager
    def call(self, traceparent: str | None) -> Iterator[TracedCall]:
        """A span for the call, in its caller's trace, or in one that begins here."""
        with self._tracer.start_as_current_span(
            "call", self._context(traceparent), kind=SpanKind.SERVER, record_exception=False
        ) as span:
            carried: dict[str, str] = {}
            self._w3c.inject(carried)
            yield _TracedCall(carried.get(_TRACEPARENT, traceparent), span)

    def end(self) -> None:
        """Send what was not sent yet."""
        self._provider.shutdown()

    def _context(self, traceparent: str | None) -> Context:
        return Context() if traceparent is None else self._w3c.extract({_TRACEPARENT: traceparent}, Context())


class _TracedCall(TracedCall):
    def __init__(self, traceparent: str | None, span: Span) -> None:
        super().__init__(traceparent)
        self._span = span

    def answered(self, name: str, status: int) -> None:
        self._span.update_name(name)
        self._span.set_attribute("http.response.status_code", status)
        if status >= _FIRST_FAILURE:
            self._span.set_status(Status(StatusCode.ERROR))


class _Clock:
    """What `time.perf_counter` said, as nanoseconds since 1970."""

    def __init__(self) -> None:
        self._ahead = time_ns() - int(perf_counter() * 1e9)

    def at(self, counted: float) -> int:
        return self._ahead + int(counted * 1e9)


class _InOurLog(logging.Handler):
    """What the client has to say, once a minute: a collector that is away is nobody's outage."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said = -_SAID_AGAIN_SECONDS

    def emit(self, record: logging.LogRecord) -> None:
        if monotonic() - self._said >= _SAID_AGAIN_SECONDS:
            self._said = monotonic()
            log.warning("trace_export_failed", why=record.getMessage().splitlines()[0][:300])
