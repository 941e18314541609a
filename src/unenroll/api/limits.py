"""Middleware that reads the whole body of a call before the app sees it, with limits for its size and its time."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unenroll.api.errors import HttpRefusal


class BodyLimitMiddleware:
    """Passes on calls with a complete body of at most `largest` bytes that arrived within `seconds`."""

    def __init__(self, app: ASGIApp, *, largest: int, seconds: float) -> None:
        self._app = app
        self._largest = largest
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on with its body. Raises Refused. If the caller has disconnected, answer nothing."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if b"content-length" in headers and b"transfer-encoding" in headers:
            message = "the call has both content-length and transfer-encoding"
            raise HttpRefusal(HTTPStatus.BAD_REQUEST, message, {"Connection": "close"})
        if int(headers.get(b"content-length", b"0")) > self._largest:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._read(receive)
        except TimeoutError:
            raise HttpRefusal(
                HTTPStatus.REQUEST_TIMEOUT, "the body took too long to arrive", {"Connection": "close"}
            ) from None
        if body is not None:
            await self._app(scope, _again(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            if len(body) > self._largest:
                raise self._too_large()
            if not message.get("more_body", False):
                return bytes(body)

    def _too_large(self) -> HttpRefusal:
        return HttpRefusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {self._largest} bytes")


def _again(body: bytes, receive: Receive) -> Receive:
    """The app's `receive`: the whole body first, then the server's next messages."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message


class RateLimiter:
    """A bucket for each key: `burst` tokens at once, then `rate` a second.

    Only the `most` buckets that were used last are kept; a new bucket is full.
    Instants are seconds of a monotonic clock.
    """

    def __init__(self, *, rate: float, burst: int, most: int = 10_000) -> None:
        self._rate = rate
        self._burst = burst
        self._most = most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        """How many buckets are kept."""
        return len(self._buckets)

    def take(self, key: str, now: float) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        tokens = self._tokens(key, now)
        if tokens < 1:
            return (1 - tokens) / self._rate
        self._keep(key, tokens - 1, now)
        return 0.0

    def release(self, key: str, now: float) -> None:
        """Give a token back."""
        self._keep(key, self._tokens(key, now) + 1, now)

    def _tokens(self, key: str, now: float) -> float:
        tokens, since = self._buckets.get(key, (float(self._burst), now))
        return min(float(self._burst), tokens + (now - since) * self._rate)

    def _keep(self, key: str, tokens: float, now: float) -> None:
        self._buckets[key] = (tokens, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestLimits:
    """Sizes in bytes, times in seconds.

    `connections`: open connections, idle ones included; uvicorn answers calls beyond them with 503.
    `head_bytes`: what uvicorn buffers of a head that is not complete yet. `body_bytes`, `body_seconds`: size of a body
    and time until it is complete. `idle_seconds`: how long uvicorn keeps a connection open after an answer.
    """

    connections: int = 1000
    head_bytes: int = 16 * 1024
    body_bytes: int = 64 * 1024
    body_seconds: float = 10.0
    idle_seconds: int = 5
