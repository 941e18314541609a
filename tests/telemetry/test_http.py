"""The pages over a socket: wrong, long and slow requests, and too many of them, do no harm."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry, Counter
from structlog.testing import capture_logs

from unenroll.errors import SetupError
from unenroll.telemetry import http
from unenroll.telemetry.http import PageResponse, pages, serve_pages


@asynccontextmanager
async def port_of() -> AsyncIterator[int]:
    registry = CollectorRegistry()
    Counter("swans", "Seen", registry=registry).inc(7)
    shown = pages(
        registry, alive=lambda: PageResponse(200, "a/b", b"yes\n"), ready=lambda: PageResponse(503, "a/b", b"no\n")
    )
    with capture_logs() as logs:
        async with serve_pages("127.0.0.1:0", shown, required=True):
            yield int(logs[0]["address"].rpartition(":")[2])


async def get(port: int, request: bytes) -> tuple[str, bytes]:
    """The head and the body of the answer, both empty where the connection ends without one."""
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        try:
            answer = await reader.read()
        except ConnectionResetError:
            answer = b""
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), body


async def test_metrics_have_the_accepted_content_type() -> None:
    async with port_of() as port:
        head, body = await get(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        other, _ = await get(
            port, b"GET /metrics HTTP/1.1\r\naccept: application/openmetrics-text; version=1.0.0\r\n\r\n"
        )
    assert b"swans_total 7.0" in body
    assert head.startswith("HTTP/1.1 200 OK\r\nContent-Type: text/plain")
    assert f"Content-Length: {len(body)}\r\n" in head
    assert "application/openmetrics-text" in other


async def test_health_has_its_status() -> None:
    async with port_of() as port:
        alive = await get(port, b"GET /healthz?verbose HTTP/1.0\r\n\r\n")
        ready = await get(port, b"HEAD /readyz HTTP/1.1\r\n\r\n")
    assert (alive[0].split("\r\n")[0], alive[1]) == ("HTTP/1.1 200 OK", b"yes\n")
    assert (ready[0].split("\r\n")[0], ready[1]) == ("HTTP/1.1 503 Service Unavailable", b"")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"GET /../metrics HTTP/1.1\r\n\r\n", 404),
        (b"GET  /metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics\r\n\r\n", 400),
        (b"\xff\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nx: " + b"a" * 20_000 + b"\r\n\r\n", 431),
    ],
)
async def test_a_wrong_request_is_refused(request_: bytes, status: int) -> None:
    async with port_of() as port:
        head, _ = await get(port, request_)
        still, _ = await get(port, b"GET /healthz HTTP/1.1\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ") or (status == 431 and not head)
    assert still.startswith("HTTP/1.1 200")


async def test_a_silent_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_REQUEST_SECONDS", 0.05)
    async with port_of() as port:
        assert await get(port, b"GET /metrics HTTP/1.1\r\n") == ("", b"")


async def test_the_number_of_connections_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_MAX_CONNECTIONS", 2)
    async with port_of() as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        assert await get(port, b"GET /healthz HTTP/1.1\r\n\r\n") == ("", b"")
        for _, writer in silent:
            writer.write(b"GET /healthz HTTP/1.1\r\n\r\n")
        for reader, writer in silent:
            assert (await reader.read()).endswith(b"yes\n")
            writer.close()


async def test_a_used_port_is_an_error_only_if_the_address_is_required() -> None:
    async with port_of() as port:
        with pytest.raises(SetupError, match=f"127.0.0.1:{port}.*UNENROLL_HTTP_ADDRESS"):
            async with serve_pages(f"127.0.0.1:{port}", {}, required=True):
                pass
        with capture_logs() as logs:
            async with serve_pages(f"127.0.0.1:{port}", {}, required=False):
                pass
    assert [(one["event"], one["log_level"]) for one in logs] == [("metrics_unavailable", "warning")]


async def test_an_empty_address_serves_nothing() -> None:
    with capture_logs() as logs:
        async with serve_pages("", {}, required=True):
            pass
    assert logs == []
