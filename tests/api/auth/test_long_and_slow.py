"""A real server, and calls that are too long, too slow or no calls at all."""

import asyncio

import pytest

from api.auth.calls import CRM, refused
from api.auth.guarded_server import Server, answer, call, is_closed


async def test_a_head_that_is_too_large_is_refused(server: Server) -> None:
    assert (await server.get("/customers/7", CRM, "X-Long: " + "x" * 15_000)).status == 200
    endless = await server.ask(b"GET /customers/7 HTTP/1.1\r\nHost: f\r\nX: " + b"x" * 1_000_000)
    assert endless.status == 400


async def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(server: Server) -> None:
    assert (await server.ask(call("POST", "/size", CRM, body=b"x" * 65536))).said == 65536
    assert refused(await server.ask(call("POST", "/size", CRM, body=b"x" * 65537)), 413)
    assert refused(await server.ask(call("POST", "/size", CRM, "Content-Length: 99999999999")), 413)
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    head = call("POST", "/size", CRM, "Transfer-Encoding: chunked")
    assert (await server.ask(head + chunk + b"0\r\n\r\n")).said == 65536
    assert refused(await server.ask(head + chunk + b"1\r\nx\r\n"), 413)
    assert refused(await server.ask(head + chunk * 64), 413)


async def test_who_is_unknown_is_not_even_listened_to(server: Server) -> None:
    announced = call("POST", "/size", "Content-Length: 60000", "Expect: 100-continue")
    assert refused(await server.ask(announced), 401)


async def test_a_body_with_two_lengths_is_refused(server: Server) -> None:
    head = call("POST", "/size", CRM, "Content-Length: 5", "Transfer-Encoding: chunked")
    given = await server.ask(head + b"0\r\n\r\n")
    assert refused(given, 400)
    assert given.headers["connection"] == "close"
    for lengths in (("Content-Length: 5", "Content-Length: 6"), ("Content-Length: -1",), ("Content-Length: 1_0",)):
        assert (await server.ask(call("POST", "/size", CRM, *lengths) + b"xxxxx")).status == 400


async def test_a_slow_body_ends_in_time(server: Server) -> None:
    async with asyncio.timeout(5):
        reader, writer = await server.connect()
        writer.write(call("POST", "/size", CRM, "Content-Length: 1000"))
        dripping = asyncio.create_task(drip(writer, b"x"))
        assert refused(await answer(reader), 408)
        assert await is_closed(reader)
        dripping.cancel()
        writer.transport.abort()


async def test_a_connection_is_closed_when_it_is_idle_after_an_answer(server: Server) -> None:
    async with asyncio.timeout(5):
        reader, writer = await server.connect()
        for _ in range(2):
            writer.write(call("GET", "/customers/7", CRM))
            assert (await answer(reader)).status == 200
        assert await is_closed(reader)
        writer.transport.abort()


async def test_several_calls_at_once_on_one_connection_are_answered_in_order(server: Server) -> None:
    async with asyncio.timeout(5):
        reader, writer = await server.connect()
        writer.write(b"".join(call("GET", f"/customers/{number}", CRM) for number in range(20)))
        assert [(await answer(reader)).said["customer"] for _ in range(20)] == list(range(20))
        writer.transport.abort()


@pytest.mark.parametrize(
    "junk", [b"\x16\x03\x01\x02\x00\x01", b"SSH-2.0-x\r\n\r\n", b"GET / HTTP/x\r\n\r\n", b"\x00\r\n\r\n"]
)
async def test_what_is_no_http_is_refused(junk: bytes, server: Server) -> None:
    assert (await server.ask(junk + b"\r\n\r\n")).status == 400


async def drip(writer: asyncio.StreamWriter, piece: bytes) -> None:
    """Sends a little, again and again: what a slow caller does, not a way to wait for something."""
    while True:
        writer.write(piece)
        await asyncio.sleep(0.1)
