"""A real server, abused."""

import json

import pytest

from api.auth.calls import BEARER, CRM, JSON, LEAVE, NOWHERE, READER, RECORD, refused
from api.auth.guarded_server import Answer, Server, answer, call, served
from api.auth.token_issuer import claims, token
from support.secret_files import RIGHT, basic
from waiting import until


async def test_the_right_callers_are_served(server: Server) -> None:
    assert (await server.get("/customers/7", CRM)).said == {"customer": 7, "caller": "crm"}
    assert (await server.get("/customers/7", BEARER)).said == {"customer": 7, "caller": "client:crm"}
    left = await server.ask(call("POST", LEAVE, CRM, JSON, body=RECORD))
    assert (left.status, left.said["data"], left.said["place"]) == (200, 423789336, [11, 21])


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ("Authorization: ",),
        ("Authorization: Basic",),
        ("Authorization: Basic ====",),
        (f"Authorization: Basic {basic('crm', RIGHT[:-1])}",),
        (f"Authorization: Basic {basic('nobody')}",),
        (f"Authorization: Basic {basic('crm')}A",),
        (f"Authorization: Bearer {basic('crm')}",),
        (f"Authorization: Bearer {token(claims(exp=1))}",),
        (f"Authorization: Bearer {token(claims(aud='https://other.example'))}",),
        (f"Authorization: Bearer {token(claims())[:-6]}AAAAAA",),
        ("Authorization: Bearer",),
        ("Authorization: Negotiate abc",),
        (f"Proxy-Authorization: Basic {basic('crm')}",),
        (f"X-Authorization: Basic {basic('crm')}",),
        (f"Cookie: Authorization=Basic {basic('crm')}",),
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        "/customers/7",
        "/forgotten",
        "/openapi.json",
        "/docs",
        "/no/such/path",
        "/",
        "//healthz",
        "/healthz/..%2fcustomers/7",
        "/customers/../healthz",
    ],
)
async def test_nobody_else_gets_anywhere(headers: tuple[str, ...], path: str, server: Server) -> None:
    given = await server.get(path, *headers, source=next(NOWHERE))
    assert refused(given, 401)
    assert "realm=" in given.headers["www-authenticate"]


async def test_what_came_twice_is_not_guessed_at(server: Server) -> None:
    assert refused(await server.get("/customers/7", CRM, READER), 400)
    assert refused(await server.get("/customers/7", READER, "authorization: Basic x"), 400)


async def test_a_scope_that_is_missing_is_named(server: Server) -> None:
    for who in (READER, BEARER):
        given = await server.ask(call("POST", LEAVE, who, JSON, body=RECORD))
        assert refused(given, 403)
        assert 'scope="unenroll:write"' in given.headers["www-authenticate"]
    assert refused(await server.get("/customers/7", f"Authorization: Bearer {token(claims(scope=''))}"), 403)


async def test_an_open_path_needs_no_caller_and_only_as_it_is_spelled(server: Server) -> None:
    assert (await server.get("/healthz")).said == "well"
    for path in ("/healthz/", "/HEALTHZ", "/healthz/x"):
        assert (await server.get(path)).status == 401


@pytest.mark.parametrize(
    "path", ["/customers/../forgotten", "/customers/./7", "//customers/7", "/customers//7", "/customers/7/", "*"]
)
async def test_a_path_is_taken_as_it_is_spelled(path: str, server: Server) -> None:
    assert (await server.get(path, CRM)).status == 404


@pytest.mark.parametrize("raw", [b"/customers/\x00", b"/customers/\xff", b"/customers/ 7", b"/customers/\x1b[2J"])
async def test_a_path_that_is_no_http_is_refused(raw: bytes, server: Server) -> None:
    given = await server.ask(b"GET " + raw + b" HTTP/1.1\r\nHost: api.example\r\n" + CRM.encode() + b"\r\n\r\n")
    assert given.status == 400


async def test_a_page_from_elsewhere_changes_nothing(server: Server) -> None:
    for site in ("cross-site", "same-site"):
        given = await server.ask(call("POST", LEAVE, CRM, JSON, f"Sec-Fetch-Site: {site}", body=RECORD))
        assert refused(given, 403)
    given = await server.ask(call("POST", LEAVE, CRM, JSON, "Sec-Fetch-Site: same-origin", body=RECORD))
    assert given.status == 200


async def test_a_failure_tells_nothing_and_is_in_the_log(server: Server) -> None:
    given = await server.get("/broken", CRM)
    assert refused(given, 500)
    assert b"reason" not in given.body

    async def told() -> bool:
        return b"the reason is only for the log" in server.log

    await until(told, seconds=5)


async def test_a_page_keeps_what_it_says_of_itself(server: Server) -> None:
    headers = (await server.get("/page", CRM)).headers
    assert headers["content-security-policy"] == "style-src 'self'"
    assert headers["cache-control"] == "max-age=60"
    assert headers["x-frame-options"] == "DENY"


async def test_the_document_says_how_to_authenticate(server: Server) -> None:
    document = (await server.get("/openapi.json", CRM)).said
    schemes = {one["scheme"] for one in document["components"]["securitySchemes"].values()}
    assert schemes == {"basic", "bearer"}
    assert document["paths"][LEAVE.replace("11", "{group_id}").replace("21", "{target_id}")]["post"]["security"]


async def test_web_sockets_are_not_to_be_had(server: Server) -> None:
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA")
    assert refused(await server.get("/customers/7", *upgrade, source=next(NOWHERE)), 401)


async def test_no_secret_is_in_the_log(server: Server) -> None:
    wrong = "a wrong secret that is long"
    bad = token(claims(exp=1))
    await server.get("/customers/7", f"Authorization: Basic {basic('crm', wrong)}", source=next(NOWHERE))
    await server.get("/customers/7", f"Authorization: Bearer {bad}", source=next(NOWHERE))
    await server.get("/broken", CRM)

    async def told() -> bool:
        return b"credentials_refused" in server.log

    await until(told, seconds=5)
    log = server.log.decode()
    secrets = [RIGHT, wrong, bad, bad.split(".")[2], basic("crm"), basic("crm", wrong), "$argon2"]
    assert [one for one in secrets if one in log] == []


async def test_a_caller_has_a_rate(told: dict[str, str]) -> None:
    async with served({**told, "api_rate": 0.5, "api_rate_burst": 3}) as one:
        given = [await one.get("/customers/7", CRM) for _ in range(4)]
        assert [each.status for each in given[:3]] == [200, 200, 200]
        assert refused(given[3], 429)
        assert given[3].headers["retry-after"] == "2"
        assert (await one.get("/customers/7", READER)).status == 200


async def test_calls_over_the_limit_of_connections_are_answered_503(told: dict[str, str]) -> None:
    async with served(told, connections=3) as one:
        held, waiting = await one.connect()
        waiting.write(call("POST", "/hold", CRM, body=b""))
        assert (await one.get("/customers/7", CRM)).status == 200
        _, idle = await one.connect()

        async def full() -> bool:
            given = await one.get("/healthz")
            return (given.status, given.body) == (503, b"Service Unavailable")

        await until(full, seconds=10)
        idle.transport.abort()

        async def free() -> bool:
            return (await one.get("/healthz?release=true")).status == 200

        await until(free, seconds=10)
        assert (await answer(held)).said == "held"
        waiting.transport.abort()
        assert (await one.get("/customers/7", CRM)).status == 200


async def test_a_server_without_a_way_in_does_not_start() -> None:
    with pytest.raises(AssertionError, match="no caller could authenticate"):
        async with served({}):
            pytest.fail("it started")


def test_the_envelope_is_what_callers_know() -> None:
    known = {"data": None, "errors": [{"code": 401, "message": "m"}], "warnings": None}
    assert Answer(status=401, headers={}, body=json.dumps(known).encode()).is_envelope
