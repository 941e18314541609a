"""Middleware that reads the whole body of a call before the app sees it, with limits for its size and its time."""

import asyncio
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unenroll.front.guards.refusals import Refused


class Body:
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
            raise Refused(HTTPStatus.BAD_REQUEST, message, {"Connection": "close"})
        if int(headers.get(b"content-length", b"0")) > self._largest:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._read(receive)
        except TimeoutError:
            raise Refused(
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

    def _too_large(self) -> Refused:
        return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {self._largest} bytes")


def _again(body: bytes, receive: Receive) -> Receive:
    """The app's `receive`: the whole body first, then the server's next messages."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message
