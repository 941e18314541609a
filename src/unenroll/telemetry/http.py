"""A small HTTP server for metrics and health, on the event loop of the process: GET and HEAD of a few pages.

It answers one request per connection, and limits size, time and number of connections. These pages have no
authentication, so they listen on loopback by default.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from structlog import get_logger

from unenroll.errors import SetupError


class PageResponse(NamedTuple):
    """A status, a content type and a body."""

    status: int
    content_type: str
    body: bytes


Page = Callable[[str], PageResponse]
"""A page: returns its response for the value of the header `Accept`."""


def pages(
    registry: CollectorRegistry, *, alive: Callable[[], PageResponse], ready: Callable[[], PageResponse]
) -> Mapping[str, Page]:
    """The pages for metrics, liveness and readiness, by path."""

    def metrics(accept: str) -> PageResponse:
        encode, content_type = choose_encoder(accept)
        return PageResponse(200, content_type, encode(registry))

    return {"/metrics": metrics, "/healthz": lambda _: alive(), "/readyz": lambda _: ready()}


log = get_logger()

_MAX_HEAD_BYTES = 8192
_REQUEST_SECONDS = 5.0
_MAX_CONNECTIONS = 32
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, kw_only=True, slots=True)
class _PageServer:
    pages: Mapping[str, Page]
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        if len(self._open) >= _MAX_CONNECTIONS:
            writer.transport.abort()
            return
        self._open.add(writer)
        try:
            with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                async with asyncio.timeout(_REQUEST_SECONDS):
                    writer.write(await self._response(reader))
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
        finally:
            self._open.discard(writer)
            writer.transport.abort()  # has no effect on a closed connection

    async def _response(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _encode(_refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
        request, *headers = head.decode("latin-1").split("\r\n")
        words = request.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):  # noqa: PLR2004 - method, target, version
            return _encode(_refusal(HTTPStatus.BAD_REQUEST))
        method, target, _ = words
        page = self.pages.get(target.partition("?")[0])
        if page is None:
            return _encode(_refusal(HTTPStatus.NOT_FOUND))
        if method not in {"GET", "HEAD"}:
            return _encode(_refusal(HTTPStatus.METHOD_NOT_ALLOWED), allow="Allow: GET, HEAD\r\n")
        return _encode(page(_accept(headers)), with_body=method == "GET")


def _accept(headers: list[str]) -> str:
    pairs = (header.partition(":") for header in headers)
    return ",".join(value.strip() for name, _, value in pairs if name.lower() == "accept")


def _refusal(status: HTTPStatus) -> PageResponse:
    return PageResponse(status, _TEXT, f"{status.phrase}\n".encode())


def _encode(response: PageResponse, *, with_body: bool = True, allow: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n"
        f"Content-Type: {response.content_type}\r\nContent-Length: {len(response.body)}\r\n"
        f"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n{allow}\r\n"
    )
    return head.encode() + (response.body if with_body else b"")


@asynccontextmanager
async def serve_pages(address: str, pages: Mapping[str, Page], *, required: bool) -> AsyncIterator[None]:
    """Serve the pages at `host:port` until the end of the block; nothing if the address is empty.

    If the address cannot be used, raises SetupError if it is `required`, and logs a warning if not.
    """
    server = await _server(address, pages, required=required) if address else None
    try:
        yield
    finally:
        if server is not None:
            server.close()


async def _server(address: str, pages: Mapping[str, Page], *, required: bool) -> asyncio.Server | None:
    host, _, port = address.rpartition(":")
    try:
        server = await asyncio.start_server(
            _PageServer(pages=pages).serve, host.removeprefix("[").removesuffix("]"), int(port), limit=_MAX_HEAD_BYTES
        )
    except (OSError, OverflowError) as error:
        message = (
            f"cannot serve metrics and health at {address}: {error}; "
            "set UNENROLL_HTTP_ADDRESS to a port that no other process uses, or to an empty text"
        )
        if required:
            raise SetupError(message) from error
        log.warning("metrics_unavailable", why=message)
        return None
    for listener in server.sockets:
        host, port = listener.getsockname()[:2]
        log.info("metrics_listening", address=f"{host}:{port}")
    return server
