"""A small HTTP server on the event loop of the process: GET and HEAD of a few pages, and nothing else.

One request a connection, bounded in size, in time and in number. Nobody is asked who he is: it listens on loopback
unless told otherwise.
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
"""An answer, by what the caller accepts."""


def pages(
    registry: CollectorRegistry, *, alive: Callable[[], PageResponse], ready: Callable[[], PageResponse]
) -> Mapping[str, Page]:
    """By path."""

    def metrics(accepts: str) -> PageResponse:
        encode, content_type = choose_encoder(accepts)
        return PageResponse(200, content_type, encode(registry))

    return {"/metrics": metrics, "/healthz": lambda _: alive(), "/readyz": lambda _: ready()}


log = get_logger()

_LARGEST_HEAD = 8192
_SECONDS = 5.0
_MOST_AT_ONCE = 32
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pages:
    pages: Mapping[str, Page]
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if len(self._open) >= _MOST_AT_ONCE:
            writer.transport.abort()
            return
        self._open.add(writer)
        try:
            with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                async with asyncio.timeout(_SECONDS):
                    writer.write(await self._response(reader))
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
        finally:
            self._open.discard(writer)
            writer.transport.abort()  # does nothing to one that is closed

    async def _response(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _http(_refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
        request, *headers = head.decode("latin-1").split("\r\n")
        words = request.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):  # noqa: PLR2004 - method, target, version
            return _http(_refused(HTTPStatus.BAD_REQUEST))
        method, target, _ = words
        page = self.pages.get(target.partition("?")[0])
        if page is None:
            return _http(_refused(HTTPStatus.NOT_FOUND))
        if method not in {"GET", "HEAD"}:
            return _http(_refused(HTTPStatus.METHOD_NOT_ALLOWED), allow="Allow: GET, HEAD\r\n")
        return _http(page(_accepted(headers)), with_body=method == "GET")


def _accepted(headers: list[str]) -> str:
    named = (header.partition(":") for header in headers)
    return ",".join(value.strip() for name, _, value in named if name.lower() == "accept")


def _refused(status: HTTPStatus) -> PageResponse:
    return PageResponse(status, _TEXT, f"{status.phrase}\n".encode())


def _http(answer: PageResponse, *, with_body: bool = True, allow: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
        f"Content-Type: {answer.content_type}\r\nContent-Length: {len(answer.body)}\r\n"
        f"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n{allow}\r\n"
    )
    return head.encode() + (answer.body if with_body else b"")


@asynccontextmanager
async def serve_pages(address: str, pages: Mapping[str, Page], *, required: bool) -> AsyncIterator[None]:
    """The pages at host:port until the end of the block; nothing at an empty address.

    Raises SetupError if nobody can listen there, or says so and goes on if it is not `required`.
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
            _Pages(pages=pages).serve, host.removeprefix("[").removesuffix("]"), int(port), limit=_LARGEST_HEAD
        )
    except (OSError, OverflowError) as error:
        words = (
            f"cannot serve metrics and health at {address}: {error}; "
            "let UNENROLL_HTTP_ADDRESS name a free port of this process alone, or be empty"
        )
        if required:
            raise SetupError(words) from error
        log.warning("metrics_unavailable", why=words)
        return None
    for listener in server.sockets:
        host, port = listener.getsockname()[:2]
        log.info("metrics_listening", address=f"{host}:{port}")
    return server
