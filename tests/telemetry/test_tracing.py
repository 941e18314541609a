"""Traces are told where somebody collects them, and what is published never depends on it."""

import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from unenroll.telemetry.tracing import Traces, sampled, trace_id, traces_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("traceparent", "known", "recorded"),
    [
        (f"00-{TRACE}-{SPAN}-01", TRACE, True),
        (f"00-{TRACE}-{SPAN}-00", TRACE, False),
        (f"00-{TRACE}-{SPAN}-03", TRACE, True),
        (f"01-{TRACE}-{SPAN}-01-more", TRACE, True),
        (f"ff-{TRACE}-{SPAN}-01", None, False),
        (f"00-{'0' * 32}-{SPAN}-01", None, False),
        (f"00-{TRACE}-{'0' * 16}-01", None, False),
        (f"00-{TRACE.upper()}-{SPAN}-01", None, False),
        ("", None, False),
        (None, None, False),
    ],
)
def test_what_a_traceparent_says(traceparent: str | None, known: str | None, recorded: bool) -> None:
    assert (trace_id(traceparent), sampled(traceparent)) == (known, recorded)
    as_bytes = None if traceparent is None else traceparent.encode()
    assert (trace_id(as_bytes), sampled(as_bytes)) == (known, recorded)


def test_bytes_that_are_no_text_are_no_traceparent() -> None:
    assert (trace_id(b"\xff" * 55), sampled(b"\xff" * 55)) == (None, False)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "TRUE"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nobody_is_told_of_traces_unless_a_collector_is_named(environment: dict[str, str]) -> None:
    traces = traces_of("unenroll", environment)
    assert type(traces) is Traces
    with traces.call("as it came") as call:
        call.answered("GET /x", 200)
    assert (traces.on, traces.batch([], [], {}), call.traceparent) == (False, None, "as it came")


def test_without_the_extra_it_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "unenroll.telemetry.opentelemetry", None)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with capture_logs() as said:
        traces = traces_of("unenroll", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"})
    assert (traces.on, [one["event"] for one in said]) == (False, ["tracing_unavailable"])


def test_the_program_imports_no_opentelemetry_by_itself() -> None:
    look = (
        "import sys, unenroll.cli\n"
        "from unenroll.telemetry.tracing import traces_of\n"
        "traces_of('x')\n"
        "sys.exit('opentelemetry' in sys.modules)"
    )
    environment = {"PATH": "", "PYTHONPATH": ":".join(sys.path)}
    assert subprocess.run([sys.executable, "-c", look], env=environment, check=False).returncode == 0
