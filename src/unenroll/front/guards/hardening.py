"""The middleware of the HTTP API, and uvicorn's options."""

from collections.abc import Collection
from typing import Any

from fastapi import FastAPI

from unenroll.front.guards.admission import Admission
from unenroll.front.guards.body import Body
from unenroll.front.guards.boundary import Boundary
from unenroll.front.guards.limits import Limits
from unenroll.front.guards.rate import Buckets
from unenroll.front.guards.ways import GuardSettings, authentication

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
_DEFAULT = Limits()


def guard(
    app: FastAPI, settings: GuardSettings, *, open_paths: Collection[str] = OPEN_PATHS, limits: Limits = _DEFAULT
) -> None:
    """Add the middleware to the app. Raises UsageError and SetupError if the settings allow no safe start.

    `open_paths` are complete paths that need no authentication.
    """
    rates = Buckets(rate=settings.api_rate, burst=settings.api_rate_burst)
    # Starlette calls the middleware that was added last first.
    app.add_middleware(Body, largest=limits.body_bytes, seconds=limits.body_seconds)
    app.add_middleware(Admission, authentication=authentication(settings), rates=rates, open_paths=open_paths)
    app.add_middleware(Boundary)


def server_options(limits: Limits = _DEFAULT) -> dict[str, Any]:
    """Arguments for uvicorn's Config, beside the app and the address."""
    return {
        "http": "h11",  # the other implementation of uvicorn has no limit for the size of a head
        "ws": "none",
        "limit_concurrency": limits.connections,
        "timeout_keep_alive": limits.idle_seconds,
        "h11_max_incomplete_event_size": limits.head_bytes,
        "server_header": False,
    }
