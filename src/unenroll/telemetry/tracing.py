"""Traces: spans if the extra `otel` is installed and a collector is configured, else nothing.

A published message carries the `traceparent` of the inbound event unchanged: with the id of a span of ours, the same
decision would have other bytes on each attempt. So our spans and those of the consumers have the same parent: the span
of the sender.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from structlog import get_logger

from unenroll.telemetry.state import StepTiming

log = get_logger()

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?")
_SAMPLED = 1

Attributes = Mapping[str, str | int]


class TracedRecord(NamedTuple):
    """A record whose sender records the trace: its `traceparent`, and the name and attributes of its span."""

    traceparent: str
    name: str
    attributes: Attributes


class TracedCall:
    """An HTTP call in progress. This base class records nothing."""

    def __init__(self, traceparent: str | None) -> None:
        self.traceparent = traceparent
        """The `traceparent` of the event that the call publishes."""

    def finish(self, name: str, status: int) -> None:
        """Record the name of the call and the status of its response."""


class Traces:
    """Records batches and calls. This base class records nothing."""

    enabled = False

    def batch(self, steps: Sequence[StepTiming], records: Iterable[TracedRecord], attributes: Attributes) -> str | None:
        """Record a published batch and its traced records. Returns the id of the batch's trace."""
        del steps, records, attributes
        return None

    @contextmanager
    def call(self, traceparent: str | None) -> Iterator[TracedCall]:
        """Record a call, which is answered within the block."""
        yield TracedCall(traceparent)

    def shutdown(self) -> None:
        """Send the remaining spans. This may take some seconds."""


def trace_id(traceparent: str | bytes | None) -> str | None:
    """The id of the trace. None if this is not a `traceparent` as W3C defines it."""
    match = _match(traceparent)
    return None if match is None else match[1]


def sampled(traceparent: str | bytes | None) -> bool:
    """Whether the sender records the trace."""
    match = _match(traceparent)
    return match is not None and bool(int(match[2], 16) & _SAMPLED)


def configured_traces(service: str, environment: Mapping[str, str] = os.environ) -> Traces:
    """The traces that the standard variables OTEL_… configure. Imports OpenTelemetry only if they name a collector."""
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or environment.get("OTEL_TRACES_EXPORTER") == "none" or not any(map(environment.get, _ENDPOINTS)):
        return Traces()
    try:
        from unenroll.telemetry.opentelemetry import OpenTelemetryTraces  # noqa: PLC0415 - the package is optional
    except ModuleNotFoundError as missing:
        log.warning("tracing_unavailable", why=f"the package {missing.name} is missing: pip install 'unenroll[otel]'")
        return Traces()
    return OpenTelemetryTraces(service)


def _match(traceparent: str | bytes | None) -> re.Match[str] | None:
    if traceparent is None:
        return None
    text = traceparent.decode("ascii", "replace") if isinstance(traceparent, bytes) else traceparent
    match = _TRACEPARENT.fullmatch(text)
    return None if text.startswith("ff") else match
