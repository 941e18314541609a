"""An OTLP collector that keeps the spans it gets over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from support.workers import wait_until


@dataclass(frozen=True, kw_only=True)
class Span:
    """A received span. Ids are hexadecimal; `parent` is empty for a root span."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    attributes: dict[str, str]
    nanoseconds: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Collector:
    """The received spans, and the port to send them to."""

    port: int
    spans: list[Span] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}", "OTEL_BSP_SCHEDULE_DELAY": "100"}

    def wait_for(self, name: str) -> Span:
        """Wait for the only span of this name."""
        wait_until(lambda: bool(self.named(name)), f"the span {name}", show=lambda: str(self.spans))
        (found,) = self.named(name)
        return found

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def below(self, span: Span) -> list[str]:
        """The names of its children, by start time."""
        children = [one for one in self.spans if one.parent == span.id]
        return [one.name for one in sorted(children, key=lambda one: one.nanoseconds)]


@contextmanager
def running_collector() -> Iterator[Collector]:
    """Run a collector until the end of the block."""

    class SpanHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = ExportTraceServiceRequest()
            sent.ParseFromString(self.rfile.read(int(self.headers["content-length"])))
            collector.spans.extend(_spans(sent))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody wants to know."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), SpanHandler)
    collector = Collector(port=server.server_port)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _spans(sent: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in sent.resource_spans:
        named = {one.key: one.value.string_value for one in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    service=named["service.name"],
                    name=span.name,
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    links=tuple(link.span_id.hex() for link in span.links),
                    attributes={one.key: one.value.string_value or str(one.value.int_value) for one in span.attributes},
                    nanoseconds=(span.start_time_unix_nano, span.end_time_unix_nano),
                )
