"""The un-enroll call over HTTP: answered as its callers know it, once the worker has decided."""

import json
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.api_process import ENROLL, LEAVE, ApiProcess, authorization, deciding_worker, running_api
from support.deployment import Deployment, group_of
from support.events import enrollment_line
from support.workers import wait_until
from unenroll.postgres.definitions import define
from unenroll.postgres.pool import open_pool

CUSTOMER = 423789336
NOW = datetime.now(UTC)
CYCLES = [
    {"periodName": f"c{number}", "start": start.isoformat(), "end": (start + timedelta(days=30)).isoformat()}
    for number, start in enumerate((NOW + timedelta(days=30 * month - 75) for month in range(5)), start=1)
]
OVER = [{"periodName": "c1", "start": "2020-01-01T00:00:00Z", "end": "2020-02-01T00:00:00Z"}]
LONG_AGO = (NOW - timedelta(days=70)).isoformat()


def campaign(
    group: int, target: int, *, kind: str = "MILESTONE", cycles: object = CYCLES, active: bool = True
) -> object:
    """A group with one target, in the middle of its third cycle now."""
    levels = {"levels": [4, 8, 12]} if kind == "STREAK" else {}
    return {
        "targetGroupId": group,
        "name": f"Campaign {group}",
        "version": 1,
        "active": active,
        "timeZone": "UTC",
        "cycles": cycles,
        "targets": [{"targetId": target, "name": f"Target {target}", "kind": kind, **levels}],
    }


@pytest.fixture(scope="module")
async def where(shared_deployment: Deployment) -> Deployment:
    """A campaign that runs now, another one, one that is over, one that is not active, and a streak."""
    async with open_pool(shared_deployment.database_url) as pool:
        for group, target, more in (
            (111, 121, {}),
            (112, 122, {}),
            (113, 123, {"cycles": OVER}),
            (114, 124, {"active": False}),
            (115, 125, {"kind": "STREAK"}),
        ):
            await define(pool, group_of(campaign(group, target, **more)))  # type: ignore[arg-type]
    shared_deployment.load(
        enrollment_line(customer, LONG_AGO, targetGroupId=group, targetId=group + 10, event_id=f"in {group}")
        for customer in (CUSTOMER, *range(1, 20))
        for group in ((111, 115) if customer < 5 or customer == CUSTOMER else (111,))
    )
    return shared_deployment


@pytest.fixture(scope="module")
def api(where: Deployment) -> Iterator[ApiProcess]:
    """The HTTP API with a worker."""
    with deciding_worker(where), running_api(where) as api:
        yield api


def of(group: int, target: int, what: str = "unEnroll") -> str:
    return f"/targetGroups/{group}/targets/{target}/{what}"


def test_the_documented_call_gets_the_documented_answer(api: ApiProcess) -> None:
    body = b'[\n    {\n        "customerId": 423789336\n    }\n]\n'
    head = (
        f"POST {of(111, 121)} HTTP/1.1\r\nHost: eucrm.cc.capillarytech.com\r\nAuthorization: {authorization('crm')}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((api.host, api.port), timeout=20) as line:
        line.sendall(head.encode() + body)
        answer = b"".join(iter(lambda: line.recv(65_536), b""))
    first, _, told = answer.partition(b"\r\n\r\n")
    assert first.splitlines()[0] == b"HTTP/1.1 200 OK"
    assert b"content-type: application/json" in first
    documented = '{\n  "data": 423789336,\n  "errors": null,\n  "warnings": null\n}'
    assert told == re.sub(r"\s", "", documented).encode()
    assert list(json.loads(told)) == ["data", "errors", "warnings"]


def test_leaving_twice_is_a_success_with_a_warning(api: ApiProcess) -> None:
    assert api.leave(1, path=of(111, 121)).json == {"data": 1, "errors": None, "warnings": None}
    again = api.leave(1, path=of(111, 121))
    assert (again.status, again.json["data"], again.json["errors"]) == (200, 1, None)
    assert again.json["warnings"] == [{"code": 200, "message": "The customer had already left by that time."}]


def test_the_same_call_is_answered_under_v3(api: ApiProcess) -> None:
    assert api.leave(2, path=f"/v3{of(111, 121)}").json["data"] == 2


@pytest.mark.parametrize(
    ("customer", "path", "code"),
    [
        (0, of(111, 121), 310011),
        (-5, of(111, 121), 310011),
        (7, of(999, 121), 310017),
        (7, of(114, 124), 310017),
        (7, of(111, 999), 310018),
        (7, of(111, 122), 310079),
        (7, of(112, 122), 310149),
    ],
)
def test_each_refusal_has_the_code_of_the_rules(api: ApiProcess, customer: int, path: str, code: int) -> None:
    reply = api.leave(customer, path=path)
    assert (reply.status, reply.code) == (200, code)


def test_a_campaign_that_is_over_has_nothing_left_to_leave(where: Deployment, api: ApiProcess) -> None:
    where.load([enrollment_line(8, "2020-01-05T00:00:00Z", targetGroupId=113, targetId=123, event_id="over")])
    assert api.leave(8, path=of(113, 123)).code == 310019
    assert api.enroll(9, path=of(113, 123, "enroll")).code == 310019


def test_only_callers_with_the_scope_may_say_when_it_takes_effect(where: Deployment, api: ApiProcess) -> None:
    then = NOW - timedelta(days=40)
    body = {"customerId": 10, "effectiveAt": then.isoformat(), "reason": "moved", "requestedBy": "agent 7"}
    refused = api.post(of(111, 121), body)
    assert refused.code == 403
    assert refused.json["errors"][0]["message"] == "effectiveAt needs the scope unenroll:backdate"
    assert api.post(of(111, 121), body, who="clerk").json["data"] == 10

    def published() -> list[Any]:
        return [record.data for record in where.consume("unenrollments") if record.key == b"10"]

    wait_until(lambda: bool(published()), "the event of customer 10")  # the call is answered once it is decided
    (told,) = published()
    assert (told["cutPeriod"], told["reason"], told["requestedBy"]) == ("c2", "moved", "agent 7")
    assert told["requestSource"] == "/front-door/clerk"
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert api.post(of(111, 121), {"customerId": 11, "effectiveAt": tomorrow}, who="clerk").code == 300004


def test_whoever_left_comes_back_and_is_told_when_already_in(api: ApiProcess) -> None:
    path = of(111, 121, "enroll")
    assert api.enroll(12, path=path).code == 310119
    assert api.leave(12, path=of(111, 121)).json["data"] == 12
    back = api.enroll(12, path=path, periodName="c4", initialBalance=12.50)
    assert back.json == {"data": 12, "errors": None, "warnings": None}
    assert api.enroll(12, path=path).code == 310119


async def test_who_comes_back_starts_over_or_carries_on(where: Deployment, api: ApiProcess) -> None:
    for customer, reset in ((3, True), (4, False)):
        api.leave(customer, path=of(115, 125))
        assert api.enroll(customer, path=of(115, 125, "enroll"), resetStreakStatus=reset).json["data"] == customer
    rows = await where.rows(
        "select customer_id, reset_streak_status from enrollments where source like '/front-door/%' and target_id = 125"
    )
    assert {row["customer_id"]: row["reset_streak_status"] for row in rows} == {3: True, 4: False}


@pytest.mark.parametrize(
    ("customer", "path", "period", "code"),
    [
        (0, of(111, 121, "enroll"), None, 310011),
        (7, of(999, 121, "enroll"), None, 310017),
        (7, of(111, 999, "enroll"), None, 310018),
        (7, of(111, 122, "enroll"), None, 310079),
        (7, of(112, 122, "enroll"), "c99", 310019),
    ],
)
def test_each_refused_enrollment_has_its_code(
    api: ApiProcess, customer: int, path: str, period: str | None, code: int
) -> None:
    reply = api.enroll(customer, path=path, periodName=period)
    assert (reply.status, reply.code) == (200, code)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "body: is empty"),
        (b"{", "body: is not JSON"),
        (b"[]", "body: must be a list of one record"),
        (b'[{"customerId": 1}, {"customerId": 2}]', "body: must be a list of one record"),
        (b'{"customerId": 1}', "body: must be a list of one record"),
        (b"[[]]", "[0]: must be an object"),
        (b"[{}]", "[0].customerId: is missing"),
        (b'[{"customerId": "1"}]', "[0].customerId: must be a 64-bit integer"),
        (b'[{"customerId": 1.5}]', "[0].customerId: must be a 64-bit integer"),
        (b'[{"customerId": true}]', "[0].customerId: must be a 64-bit integer"),
        (b'[{"customerId": 9223372036854775808}]', "[0].customerId: must be a 64-bit integer"),
        (b'[{"customerId": 1, "effectiveAt": "2026-03-15T00:00:00"}]', "[0].effectiveAt: has no UTC offset"),
        (b'[{"customerId": 1, "reason": "a\\u0000b"}]', "[0].reason: must not contain a NUL character"),
        (b"[" * 200 + b"]" * 200, "body: is nested deeper"),
    ],
)
async def test_a_body_that_is_not_understood_is_refused_and_nothing_is_kept(
    where: Deployment, api: ApiProcess, body: bytes, why: str
) -> None:
    before = await where.rows("select count(*) from api_requests")
    reply = api.call("POST", LEAVE, body, Authorization=authorization("clerk"), Content_Type="application/json")
    assert (reply.status, reply.code) == (400, 400)
    assert reply.json["errors"][0]["message"].startswith(why)
    assert await where.rows("select count(*) from api_requests") == before


@pytest.mark.parametrize(
    "path",
    [of("x", 21), of("1_1", 21), of("+11", 21), of("%2011", 21), of("9" * 20, 21), of("%D9%A1", 21), of("11%00", 21)],  # type: ignore[arg-type]
)
def test_a_path_that_names_no_number_is_refused(api: ApiProcess, path: str) -> None:
    assert api.leave(1, path=path).code == 400


@pytest.mark.parametrize("customer", ["x", "1_1", "+11", "%2011", "7.0", "9" * 20, "%D9%A1", "11%00"])
def test_a_path_to_read_that_names_no_number_is_refused(api: ApiProcess, customer: str) -> None:
    assert api.get(f"/customers/{customer}/targets/21").code == 400


def test_anything_but_json_is_refused(api: ApiProcess) -> None:
    reply = api.call(
        "POST", LEAVE, b'[{"customerId": 1}]', Authorization=authorization("crm"), Content_Type="text/plain"
    )
    assert (reply.status, reply.code) == (415, 415)


def test_other_methods_and_paths_have_the_envelope_too(api: ApiProcess) -> None:
    assert api.get(LEAVE).code == 405
    assert api.get("/").code == 404
    assert api.post(f"{LEAVE}/", {"customerId": 1}).code == 404
    assert api.post(f"/{LEAVE}", {"customerId": 1}).code == 404


def test_nobody_gets_an_answer_without_being_known_and_allowed(api: ApiProcess) -> None:
    assert api.post(LEAVE, {"customerId": 1}, who="nobody").code == 401
    assert api.post(ENROLL, {"customerId": 1}, who="reader").code == 403
    assert api.get("/requests/5b0e1f0c-4f0d-4c43-9f3e-1f6f2d0a9c55", who="reader").code == 403


def test_what_became_of_a_call_is_told_to_its_caller_alone(api: ApiProcess) -> None:
    made = api.leave(13, path=of(111, 121))
    path = f"/requests/{made.headers['request-id']}"
    assert api.get(path).json == made.json
    assert api.get(path, who="other").code == 404
    assert api.get("/requests/5b0e1f0c-4f0d-4c43-9f3e-1f6f2d0a9c55").code == 404
    assert api.get("/requests/13").code == 400


async def test_the_same_key_gets_the_same_answer_and_is_done_once(where: Deployment, api: ApiProcess) -> None:
    first = api.leave(14, path=of(111, 121), key="k-14")
    again = api.leave(14, path=of(111, 121), key='"k-14"')
    spaced = api.call(
        "POST",
        f"/v3{of(111, 121)}",
        b'[ {"customerId":14.0} ]',
        Authorization=authorization("crm"),
        Content_Type="application/json",
        Idempotency_Key="k-14",
    )
    assert first.json == again.json == spaced.json == {"data": 14, "errors": None, "warnings": None}
    assert first.headers["request-id"] == again.headers["request-id"] == spaced.headers["request-id"]
    rows = await where.rows("select outcome::text from ledger where customer_id = 14 and outcome is not null")
    assert rows == [{"outcome": "UNENROLLED"}]
    assert len([record for record in where.consume("unenrollments") if record.key == b"14"]) == 1


def test_the_same_key_for_another_call_is_refused(api: ApiProcess) -> None:
    api.leave(15, path=of(111, 121), key="k-15")
    assert api.leave(16, path=of(111, 121), key="k-15").code == 422
    assert api.leave(15, path=of(112, 122), key="k-15").code == 422
    assert api.leave(15, path=of(111, 121), key="k-15", reason="another").code == 422
    assert api.enroll(15, path=of(111, 121, "enroll"), key="k-15").code == 422
    other = api.post(of(111, 121), {"customerId": 15}, key="k-15", who="other")
    assert other.json["warnings"], "another caller's key is another key"


def test_an_enrollment_is_answered_as_it_was_first(api: ApiProcess) -> None:
    path = of(111, 121, "enroll")
    refused = api.enroll(17, path=path, key="k-17")
    assert refused.code == 310119
    early = {"customerId": 17, "effectiveAt": (NOW - timedelta(days=10)).isoformat()}
    assert api.post(of(111, 121), early, who="clerk").json["data"] == 17
    assert api.enroll(17, path=path, key="k-17").json == refused.json


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\xe9"])
def test_a_key_that_is_none_is_refused(api: ApiProcess, key: str) -> None:
    assert api.leave(18, path=of(111, 121), key=key).code == 400


async def test_a_trace_is_passed_on(where: Deployment, api: ApiProcess) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    api.post(of(111, 121), {"customerId": 19}, traceparent=trace)
    (told,) = [record for record in where.consume("unenrollments") if record.key == b"19"]
    assert told.header("traceparent") == trace
