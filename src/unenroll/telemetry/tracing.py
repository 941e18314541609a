"""Traces as the program tells of them: spans if the extra `otel` is installed and a collector is named, else nothing.

What is published carries the `traceparent` of who asked, as it came: a span of ours in it would make the same decision
other bytes on every attempt. So the consumer of an answer, and what we did for it, are both children of who asked.
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
    """A record of a batch that somebody traces: who asked, what it is called, and what is known of it."""

    traceparent: str
    name: str
    attributes: Attributes


class TracedCall:
    """A call that is being answered. Nobody traces it."""

    def __init__(self, traceparent: str | None) -> None:
        self.traceparent = traceparent
        """What its event carries on."""

    def answered(self, name: str, status: int) -> None:
        """It was of this kind, and got this status."""


class Traces:
    """No traces."""

    on = False

    def batch(self, laps: Sequence[StepTiming], parts: Iterable[TracedRecord], attributes: Attributes) -> str | None:
        """Tell of a batch that was published, and of its parts. Returns the id of its trace."""
        del laps, parts, attributes
        return None

    @contextmanager
    def call(self, traceparent: str | None) -> Iterator[TracedCall]:
        """Tell of a call, which is answered within the block."""
        yield TracedCall(traceparent)

    def end(self) -> None:
        """Send what was not sent yet. It may take some seconds."""


def trace_id(traceparent: str | bytes | None) -> str | None:
    """The id of the trace, if this is a `traceparent` as W3C has it."""
    found = _parsed(traceparent)
    return None if found is None else found[1]


def sampled(traceparent: str | bytes | None) -> bool:
    """Whether whoever sent this records the trace."""
    found = _parsed(traceparent)
    return found is not None and bool(int(found[2], 16) & _SAMPLED)


def traces_of(service: str, environment: Mapping[str, str] = os.environ) -> Traces:
    """Those that the standard variables OTEL_… ask for. Imports nothing unless they name a collector."""
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or environment.get("OTEL_TRACES_EXPORTER") == "none" or not any(map(environment.get, _ENDPOINTS)):
        return Traces()
    try:
        from unenroll.telemetry.opentelemetry import OpenTelemetryTraces  # noqa: PLC0415 - an extra, which a worker need not carry
    except ModuleNotFoundError as missing:
        log.warning("tracing_unavailable", why=f"the package {missing.name} is missing: pip install 'unenroll[otel]'")
        return Traces()
    return OpenTelemetryTraces(service)


def _parsed(traceparent: str | bytes | None) -> re.Match[str] | None:
    if traceparent is None:
        return None
    text = traceparent.decode("ascii", "replace") if isinstance(traceparent, bytes) else traceparent
    found = _TRACEPARENT.fullmatch(text)
    return None if found is None or text.startswith("ff") else found
