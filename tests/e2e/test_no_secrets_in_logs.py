"""What people sent and what nobody may know is in no log, no error, no metric and no health page, at any level."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from support.api_process import LEAVE, authorization, running_api
from support.deployment import Deployment
from support.events import enrollment_line, leave_record, reward_line
from support.served_pages import SERVE_STATUS, StatusPages
from support.topics import NewRecord
from support.workers import command_with_fault, running_command

REASON = "quarrelled-with-her-husband"
REQUESTER = "agent-Violet-Appleby"
UNIT = "florins-of-Violet"
REWARD = "reward-of-Violet"
BAD = "quince-jam-recipe"
PASSWORD = "hunter2-sesame"  # noqa: S105 - what is looked for
REFUSED = {"ALREADY_UNENROLLED", "NOT_ENROLLED", "not_json", "schema", "period_not_found"}
PERSONAL = (REASON, REQUESTER, UNIT, REWARD, BAD)


def secrets_of(deployment: Deployment) -> tuple[str, ...]:
    password = urlsplit(deployment.database_url).password
    return (PASSWORD, *([password] if password else []))


def careless() -> Iterator[NewRecord]:
    """Requests and things that are none, each with something in it that is nobody's business."""
    yield leave_record(951, reason=REASON, requestedBy=REQUESTER)
    yield leave_record(952, reason=REASON, requestedBy=REQUESTER)  # never enrolled: refused
    yield leave_record(951, "2026-03-20T00:00:00Z", reason=REASON, requestedBy=REQUESTER, event_id="again")  # refused
    yield NewRecord(key=b"x", value=BAD.encode())
    yield NewRecord(
        key=b"x", value=json.dumps({"customerId": BAD, "reason": REASON}).encode(), headers=leave_record(951).headers
    )
    yield leave_record(953, reason=REASON * 20)  # too long: a dead letter
    yield leave_record(954, requestedBy=REQUESTER, effectiveAt=BAD)  # no instant: a dead letter


def nothing_of_it(words: tuple[str, ...], *texts: str) -> None:
    found = [(word, line[:300]) for text in texts for line in text.splitlines() for word in words if word in line]
    assert found == []


def test_a_worker_tells_ids_and_words_of_its_own_alone(deployment: Deployment) -> None:
    earned = reward_line(951, REWARD, "c3", at="2026-03-05T00:00:00Z").replace("points", UNIT)
    deployment.load([enrollment_line(951), earned])
    environment = {
        **deployment.environment,
        **SERVE_STATUS,
        "UNENROLL_LOG_LEVEL": "debug",
        "UNENROLL_KAFKA_SASL_PASSWORD": PASSWORD,
    }
    with running_command("run", environment=environment) as worker:
        shown = StatusPages(command=worker)
        deployment.request(careless())
        deployment.publish([reward_line(955, REWARD, BAD, at="2026-03-05T00:00:00Z")])
        for outcome in REFUSED:
            worker.wait_for_log(f'"outcome": "{outcome}"')
        pages = [shown.get(path)[1] for path in ("/metrics", "/healthz", "/readyz")]
        result = worker.output()
    refused = [json.loads(line) for line in result.splitlines() if '"request_refused"' in line]
    assert {one["outcome"] for one in refused} == REFUSED
    assert {one["level"] for one in refused} == {"debug"}
    assert {one["customer"] for one in refused if one["outcome"] == "NOT_ENROLLED"} == {952}
    nothing_of_it((*PERSONAL, *secrets_of(deployment)), result, *pages)


def test_who_is_ended_by_the_watchdog_tells_no_more(deployment: Deployment) -> None:
    deployment.load([enrollment_line(951)])
    environment = {**deployment.environment, "UNENROLL_PROGRESS_TIMEOUT_MS": "5000", "UNENROLL_LOG_LEVEL": "debug"}
    deployment.request(careless())
    with command_with_fault("held up", "fetched", "run", environment=environment) as worker:
        assert worker.wait() == 1
        nothing_of_it((*PERSONAL, *secrets_of(deployment)), worker.output())


def test_the_http_api_logs_ids_and_words_of_its_own_alone(deployment: Deployment) -> None:
    with running_api(deployment, **SERVE_STATUS, UNENROLL_LOG_LEVEL="debug", UNENROLL_API_WAIT_MS="0") as api:
        shown = StatusPages(command=api.command)
        body = {"customerId": 951, "reason": REASON, "requestedBy": REQUESTER}
        assert api.post(LEAVE, body, key="k").status == 202
        assert api.post(LEAVE, {**body, "customerId": BAD}).status == 400
        assert api.post(LEAVE, {**body, "reason": REASON * 20}).status == 400
        assert api.call("POST", LEAVE, b"[]", Authorization=f"Bearer {PASSWORD}").status == 401
        assert api.call("GET", f"/{BAD}", Authorization=authorization("crm")).status == 404
        pages = [shown.get(path)[1] for path in ("/metrics", "/healthz", "/readyz")]
        result = api.command.output()
    nothing_of_it((*PERSONAL, *secrets_of(deployment), authorization("crm").split()[1]), result, *pages)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://somebody:{PASSWORD}@127.0.0.1:1/nowhere",
        f"postgresql://somebody:{PASSWORD}@127.0.0.1:none/nowhere",
        f"mysql://somebody:{PASSWORD}@127.0.0.1/nowhere",
    ],
)
def test_a_connection_string_that_does_not_work_is_not_repeated(deployment: Deployment, url: str) -> None:
    with running_command("run", environment={**deployment.environment, "UNENROLL_DATABASE_URL": url}) as worker:
        assert worker.wait() in {1, 2}
        nothing_of_it((PASSWORD,), result := worker.output())
    assert result
