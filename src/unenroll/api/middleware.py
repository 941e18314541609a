"""The middleware of the HTTP API, and uvicorn's options."""

from collections.abc import Collection
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unenroll.api.auth.authentication import AuthenticationMiddleware, GuardSettings, authentication
from unenroll.api.errors import HttpRefusal, envelope
from unenroll.api.limits import BodyLimitMiddleware, RateLimiter, RequestLimits

log = structlog.get_logger()

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
# Defaults, unless the answer has its own.
_UNLESS_SAID = (
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
_OVER_TLS = (b"strict-transport-security", b"max-age=31536000")


class ErrorMiddleware:
    """Answers refusals and failures in the envelope."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the call. The app handles lifespan events; there are no web sockets."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        answer = _Answer(send, over_tls=scope.get("scheme") == "https")
        try:
            await self._app(scope, receive, answer.send)
        except HttpRefusal as refused:
            await answer.refuse(refused)
        except Exception:
            log.exception("http_request_failed")
            await answer.refuse(
                HttpRefusal(HTTPStatus.INTERNAL_SERVER_ERROR, "the call failed; the server log says why")
            )


class _Answer:
    """An answer that is being sent."""

    def __init__(self, send: Send, *, over_tls: bool) -> None:
        self._send = send
        self._over_tls = over_tls
        self._begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            message = {**message, "headers": self._headers(list(message.get("headers", ())))}
        await self._send(message)

    async def refuse(self, refused: HttpRefusal) -> None:
        if self._begun:
            raise refused  # too late for another answer: the server closes the connection
        body = envelope(refused.code, refused.message)
        headers = {"content-type": "application/json", "content-length": str(len(body)), **refused.headers}
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": int(refused.status), "headers": raw})
        await self.send({"type": "http.response.body", "body": body})

    def _headers(self, said: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        names = {name.lower() for name, _ in said}
        added = [*_ALWAYS, *([_OVER_TLS] if self._over_tls else [])]
        kept = [(name, value) for name, value in said if name.lower() not in dict(added)]
        return [*kept, *added, *(one for one in _UNLESS_SAID if one[0] not in names)]


OPEN_PATHS = frozenset({"/healthz", "/readyz"})
_DEFAULT = RequestLimits()


def guard(
    app: FastAPI, settings: GuardSettings, *, open_paths: Collection[str] = OPEN_PATHS, limits: RequestLimits = _DEFAULT
) -> None:
    """Add the middleware to the app. Raises UsageError and SetupError if the settings allow no safe start.

    `open_paths` are complete paths that need no authentication.
    """
    rates = RateLimiter(rate=settings.api_rate, burst=settings.api_rate_burst)
    # Starlette calls the middleware that was added last first.
    app.add_middleware(BodyLimitMiddleware, largest=limits.body_bytes, seconds=limits.body_seconds)
    app.add_middleware(
        AuthenticationMiddleware, authentication=authentication(settings), rates=rates, open_paths=open_paths
    )
    app.add_middleware(ErrorMiddleware)


def server_options(limits: RequestLimits = _DEFAULT) -> dict[str, Any]:
    """Arguments for uvicorn's Config, beside the app and the address."""
    return {
        "http": "h11",  # the other implementation of uvicorn has no limit for the size of a head
        "ws": "none",
        "limit_concurrency": limits.connections,
        "timeout_keep_alive": limits.idle_seconds,
        "h11_max_incomplete_event_size": limits.head_bytes,
        "server_header": False,
    }
