"""All guards together: around the app, and in the server."""

import resource
import socket
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from fastapi import FastAPI

from unenroll.front.guards.admission import Admission
from unenroll.front.guards.body import Body
from unenroll.front.guards.boundary import Boundary
from unenroll.front.guards.connections import connections
from unenroll.front.guards.crowd import Crowd
from unenroll.front.guards.heads import Heads
from unenroll.front.guards.limits import LARGEST_HEAD, Limits
from unenroll.front.guards.rate import Buckets
from unenroll.front.guards.ways import GuardSettings, authentication

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
_OTHER_FILES = 200  # what else needs a number: log, Kafka, Postgres, the file of secrets
_KEEP_ALIVE_SECONDS = 5
_ACCEPTED_AT_ONCE = 128  # before anybody is heard again: few enough that nobody has to go before saying a word
_QUEUE = 4096
_USUAL = Limits()


def guard(
    app: FastAPI, settings: GuardSettings, *, open_paths: Collection[str] = OPEN_PATHS, limits: Limits = _USUAL
) -> None:
    """Puts the guards around the app. Raises UsageError and SetupError: then there is nothing to start.

    `open_paths` are spelled in full and need no caller.
    """
    rates = Buckets(rate=settings.api_rate, burst=settings.api_rate_burst)
    # The last one added is the first one asked.
    app.add_middleware(Crowd, most=limits.in_flight, open_paths=open_paths)
    app.add_middleware(Body, largest=limits.body_bytes, seconds=limits.body_seconds)
    app.add_middleware(Admission, authentication=authentication(settings), rates=rates, open_paths=open_paths)
    app.add_middleware(Heads)
    app.add_middleware(Boundary)


def server_options(limits: Limits = _USUAL) -> dict[str, Any]:
    """What uvicorn's Config has to be given beside the app and the address."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    places = max(4, min(limits.connections, files - _OTHER_FILES))
    return {
        "http": connections(replace(limits, connections=places)),
        "ws": "none",
        "h11_max_incomplete_event_size": LARGEST_HEAD,
        "timeout_keep_alive": _KEEP_ALIVE_SECONDS,
        "backlog": min(_ACCEPTED_AT_ONCE, places // 4),
        "server_header": False,
    }


def deepen(listener: socket.socket) -> None:
    """Lets more wait to be accepted than are accepted at once, which asyncio takes for the same. Once it listens."""
    listener.listen(_QUEUE)
