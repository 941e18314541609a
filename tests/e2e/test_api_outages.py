"""The HTTP API times out, is killed, is stopped or loses a server: no call is lost or done twice."""

import http.client
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.api_process import LEAVE, ApiProcess, deciding_worker, running_api
from support.deployment import Deployment, first_answers
from support.events import three_rewards
from support.workers import run_command, wait_until
from unenroll.sandbox.process import launch
from unenroll.sandbox.servers import ServerPair

IN_VAIN = {"UNENROLL_API_WAIT_MS": "200"}
MARCH = "2026-03-15T00:00:00Z"


def leaves(customer: int) -> dict[str, object]:
    """A record that takes effect in the middle of milestone ABC, by whoever may say so."""
    return {"customerId": customer, "effectiveAt": MARCH}


async def test_who_waits_in_vain_is_told_where_to_ask_and_the_outcome_is_there(deployment: Deployment) -> None:
    deployment.load(three_rewards(1))
    with running_api(deployment, **IN_VAIN) as api:
        first = api.post(LEAVE, leaves(1), who="clerk", key="k")
        assert (first.status, first.json["data"], first.json["errors"]) == (202, None, None)
        assert first.headers["retry-after"] == "1"
        where = first.headers["location"]
        assert where == f"/requests/{first.headers['request-id']}"
        asked = api.get(where, who="clerk")
        assert (asked.status, asked.json, asked.headers["location"]) == (202, first.json, where)
        deployment.catch_up()
        outcome = api.get(where, who="clerk")
        assert (outcome.status, outcome.json) == (200, {"data": 1, "errors": None, "warnings": None})
        assert api.post(LEAVE, leaves(1), who="clerk", key="k").json == outcome.json
    assert len(first_answers(deployment.consume())) == 1


@pytest.mark.parametrize("when", ["kept", "published"])
async def test_an_api_that_is_killed_loses_nothing_and_does_nothing_twice(deployment: Deployment, when: str) -> None:
    deployment.load(three_rewards(1))
    with running_api(deployment, dies=when) as api:
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            api.post(LEAVE, leaves(1), who="clerk", key="k")
        assert api.command.wait() == -signal.SIGKILL
    (kept,) = await deployment.rows("select request_id, event_time from api_requests")
    with deciding_worker(deployment), running_api(deployment) as api:
        for _ in range(2):
            reply = api.post(LEAVE, leaves(1), who="clerk", key="k")
            assert (reply.status, reply.json["data"]) == (200, 1)
            assert reply.headers["request-id"] == str(kept["request_id"])
    told = await deployment.rows("select event_time from ledger where event_type = 'UnenrollRequested'")
    assert told == [{"event_time": kept["event_time"]}]
    assert list(first_answers(deployment.consume()).values()) == [["unenroll.UserUnenrolled.v1"]]
    assert await deployment.rows("select from dead_letters") == []


def test_an_api_that_is_stopped_answers_calls_in_flight_and_accepts_no_more(deployment: Deployment) -> None:
    deployment.load(three_rewards(1))
    with running_api(deployment, UNENROLL_API_WAIT_MS="20000") as api, ThreadPoolExecutor() as callers:
        waiting = callers.submit(api.post, LEAVE, leaves(1), who="clerk")
        wait_until(lambda: bool(deployment.consume("requests")), "the request", show=api.command.output)
        api.command.send_signal(signal.SIGTERM)
        api.command.wait_for_log('"api_stopping"')
        wait_until(lambda: refuses(api.host, api.port), "the HTTP API to accept no more")
        assert not waiting.done()
        deployment.catch_up()
        assert waiting.result().json["data"] == 1
        assert api.command.wait() == 0


def refuses(host: str, port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as line:
        return line.connect_ex((host, port)) != 0


def test_many_at_once_with_one_key_are_done_once(deployment: Deployment) -> None:
    deployment.load(three_rewards(1))
    with deciding_worker(deployment), running_api(deployment) as api, ThreadPoolExecutor(8) as callers:
        asked = [callers.submit(api.post, LEAVE, leaves(1), who="clerk", key="k") for _ in range(8)]
        assert [one.result().json["data"] for one in asked] == [1] * 8
    assert list(first_answers(deployment.consume()).values()) == [["unenroll.UserUnenrolled.v1"]]


def test_an_event_that_the_database_refuses_is_no_success(deployment: Deployment) -> None:
    """A dead letter of no code that callers know."""
    deployment.load(three_rewards(1))
    deployment.limit("unenrollments", 100)
    with deciding_worker(deployment), running_api(deployment) as api:
        reply = api.post(LEAVE, leaves(1), who="clerk")
        assert (reply.status, reply.code) == (500, 500)
        assert api.get(f"/requests/{reply.headers['request-id']}", who="clerk").json == reply.json


def test_nobody_is_let_in_where_nobody_could_be_known(deployment: Deployment) -> None:
    said = run_command("api", environment=deployment.environment, code=2)
    assert "unenroll: no caller could authenticate: set UNENROLL_API_CLIENTS_FILE or UNENROLL_API_JWKS" in said


def test_the_calls_of_a_customer_who_was_erased_are_gone_and_new_ones_are_answered(deployment: Deployment) -> None:
    deployment.load(three_rewards(1))
    with deciding_worker(deployment), running_api(deployment) as api:
        before = api.post(LEAVE, leaves(1), who="clerk", key="k")
        assert before.json["data"] == 1
        run_command("erase", "--customer=1", environment=deployment.environment)
        where = f"/requests/{before.headers['request-id']}"
        assert api.get(where, who="clerk").status == 404
        assert api.get("/customers/1/targets/21").status == 404
        assert api.post(LEAVE, leaves(1), who="clerk", key="k").code == 310149
        assert api.get(where, who="clerk").code == 310149


@pytest.mark.thorough
async def test_servers_that_are_away_are_told_of_and_a_retry_goes_on(
    pair: ServerPair, own_deployment: Deployment
) -> None:
    own_deployment.load(line for customer in (1, 2) for line in three_rewards(customer))
    with deciding_worker(own_deployment), running_api(own_deployment) as api:
        await pair.kafka.stop()
        began = time.monotonic()
        away = api.post(LEAVE, leaves(1), who="clerk", key="k-1")
        assert (away.status, away.code, away.headers["retry-after"]) == (503, 503, "1")
        assert time.monotonic() - began < 10
        back = await launch(pair.kafka.program)
        assert finally_done(api, 1)
        await pair.postgres.stop()
        assert api.post(LEAVE, leaves(2), who="clerk", key="k-2").code == 503
        again = await launch(pair.postgres.program)
        assert finally_done(api, 2)
    assert {len(kinds) for kinds in first_answers(own_deployment.consume()).values()} == {1}
    await back.stop()
    await again.stop()


def finally_done(api: ApiProcess, customer: int) -> bool:
    """Whether the call is answered in time, asked again with one key: those who are back need a moment."""

    def done() -> bool:
        return bool(api.post(LEAVE, leaves(customer), who="clerk", key=f"k-{customer}").json["data"] == customer)

    wait_until(done, "an answer", show=api.command.output)
    return True
