"""A body is read whole before the app sees the call: no larger than this, and no slower."""

import asyncio
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unenroll.front.guards.refusals import Refused


class Body:
    """An app that sees only calls whose body is there. Sizes in bytes, before any decoding; `seconds` for all of it."""

    def __init__(self, app: ASGIApp, *, largest: int, seconds: float) -> None:
        self._app = app
        self._largest = largest
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets the call through with its body. Raises Refused. A caller who went away needs no answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = int(dict(scope["headers"]).get(b"content-length", b"0"))
        if length > self._largest:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._read(receive)
        except TimeoutError:
            raise Refused(HTTPStatus.REQUEST_TIMEOUT, "the body came too slowly", {"Connection": "close"}) from None
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
    """What the app receives: the body at once, then whatever comes after it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message
