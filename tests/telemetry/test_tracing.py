"""Traces are recorded only where a collector is configured."""

import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from unenroll.telemetry.tracing import Traces, configured_traces, sampled, trace_id

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("traceparent", "trace", "recorded"),
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
def test_a_traceparent_has_a_trace_id_and_a_sampled_flag(
    traceparent: str | None, trace: str | None, recorded: bool
) -> None:
    assert (trace_id(traceparent), sampled(traceparent)) == (trace, recorded)
    as_bytes = None if traceparent is None else traceparent.encode()
    assert (trace_id(as_bytes), sampled(as_bytes)) == (trace, recorded)


def test_bytes_that_are_not_ascii_are_no_traceparent() -> None:
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
def test_nothing_is_recorded_unless_a_collector_is_configured(environment: dict[str, str]) -> None:
    traces = configured_traces("unenroll", environment)
    assert type(traces) is Traces
    with traces.call("as it came") as call:
        call.finish("GET /x", 200)
    assert (traces.enabled, traces.batch([], [], {}), call.traceparent) == (False, None, "as it came")


def test_without_the_extra_otel_it_logs_a_warning_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "unenroll.telemetry.opentelemetry", None)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with capture_logs() as logs:
        traces = configured_traces("unenroll", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"})
    assert (traces.enabled, [line["event"] for line in logs]) == (False, ["tracing_unavailable"])


def test_the_program_imports_no_opentelemetry_by_itself() -> None:
    look = (
        "import sys, unenroll.cli\n"
        "from unenroll.telemetry.tracing import configured_traces\n"
        "configured_traces('x')\n"
        "sys.exit('opentelemetry' in sys.modules)"
    )
    environment = {"PATH": "", "PYTHONPATH": ":".join(sys.path)}
    assert subprocess.run([sys.executable, "-c", look], env=environment, check=False).returncode == 0
