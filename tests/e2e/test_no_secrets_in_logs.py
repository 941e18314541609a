"""What people sent and what nobody may know is in no log, no error, no metric and no health page, at any level."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from support.api_process import LEAVE, authorization, opened
from support.events import enrolled, leaves, reward
from support.http import SERVE_STATUS, StatusPages
from support.place import Place
from support.topics import Put
from support.workers import running, struck

REASON = "quarrelled-with-her-husband"
REQUESTER = "agent-Violet-Appleby"
UNIT = "florins-of-Violet"
REWARD = "reward-of-Violet"
BAD = "quince-jam-recipe"
PASSWORD = "hunter2-sesame"  # noqa: S105 - what is looked for
REFUSED = {"ALREADY_UNENROLLED", "NOT_ENROLLED", "not_json", "schema", "period_not_found"}
PERSONAL = (REASON, REQUESTER, UNIT, REWARD, BAD)


def secrets_of(place: Place) -> tuple[str, ...]:
    password = urlsplit(place.database_url).password
    return (PASSWORD, *([password] if password else []))


def careless() -> Iterator[Put]:
    """Requests and things that are none, each with something in it that is nobody's business."""
    yield leaves(951, reason=REASON, requestedBy=REQUESTER)
    yield leaves(952, reason=REASON, requestedBy=REQUESTER)  # never enrolled: refused
    yield leaves(951, "2026-03-20T00:00:00Z", reason=REASON, requestedBy=REQUESTER, event_id="again")  # refused
    yield Put(key=b"x", value=BAD.encode())
    yield Put(key=b"x", value=json.dumps({"customerId": BAD, "reason": REASON}).encode(), headers=leaves(951).headers)
    yield leaves(953, reason=REASON * 20)  # too long: a dead letter
    yield leaves(954, requestedBy=REQUESTER, effectiveAt=BAD)  # no instant: a dead letter


def nothing_of_it(words: tuple[str, ...], *texts: str) -> None:
    found = [(word, line[:300]) for text in texts for line in text.splitlines() for word in words if word in line]
    assert found == []


def test_a_worker_tells_ids_and_words_of_its_own_alone(place: Place) -> None:
    earned = reward(951, REWARD, "c3", at="2026-03-05T00:00:00Z").replace("points", UNIT)
    place.load([enrolled(951), earned])
    environment = {
        **place.environment,
        **SERVE_STATUS,
        "UNENROLL_LOG_LEVEL": "debug",
        "UNENROLL_KAFKA_SASL_PASSWORD": PASSWORD,
    }
    with running("run", environment=environment) as worker:
        shown = StatusPages(command=worker)
        place.request(careless())
        place.tell([reward(955, REWARD, BAD, at="2026-03-05T00:00:00Z")])
        for outcome in REFUSED:
            worker.wait_to_say(f'"outcome": "{outcome}"')
        pages = [shown.get(path)[1] for path in ("/metrics", "/healthz", "/readyz")]
        said = worker.output()
    refused = [json.loads(line) for line in said.splitlines() if '"request_refused"' in line]
    assert {one["outcome"] for one in refused} == REFUSED
    assert {one["level"] for one in refused} == {"debug"}
    assert {one["customer"] for one in refused if one["outcome"] == "NOT_ENROLLED"} == {952}
    nothing_of_it((*PERSONAL, *secrets_of(place)), said, *pages)


def test_who_is_ended_by_the_watchdog_tells_no_more(place: Place) -> None:
    place.load([enrolled(951)])
    environment = {**place.environment, "UNENROLL_PROGRESS_TIMEOUT_MS": "5000", "UNENROLL_LOG_LEVEL": "debug"}
    place.request(careless())
    with struck("held up", "fetched", "run", environment=environment) as worker:
        assert worker.wait() == 1
        nothing_of_it((*PERSONAL, *secrets_of(place)), worker.output())


def test_the_http_api_logs_ids_and_words_of_its_own_alone(place: Place) -> None:
    with opened(place, **SERVE_STATUS, UNENROLL_LOG_LEVEL="debug", UNENROLL_API_WAIT_MS="0") as api:
        shown = StatusPages(command=api.command)
        told = {"customerId": 951, "reason": REASON, "requestedBy": REQUESTER}
        assert api.post(LEAVE, told, key="k").status == 202
        assert api.post(LEAVE, {**told, "customerId": BAD}).status == 400
        assert api.post(LEAVE, {**told, "reason": REASON * 20}).status == 400
        assert api.call("POST", LEAVE, b"[]", Authorization=f"Bearer {PASSWORD}").status == 401
        assert api.call("GET", f"/{BAD}", Authorization=authorization("crm")).status == 404
        pages = [shown.get(path)[1] for path in ("/metrics", "/healthz", "/readyz")]
        said = api.command.output()
    nothing_of_it((*PERSONAL, *secrets_of(place), authorization("crm").split()[1]), said, *pages)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://somebody:{PASSWORD}@127.0.0.1:1/nowhere",
        f"postgresql://somebody:{PASSWORD}@127.0.0.1:none/nowhere",
        f"mysql://somebody:{PASSWORD}@127.0.0.1/nowhere",
    ],
)
def test_a_connection_string_that_does_not_work_is_not_repeated(place: Place, url: str) -> None:
    with running("run", environment={**place.environment, "UNENROLL_DATABASE_URL": url}) as worker:
        assert worker.wait() in {1, 2}
        nothing_of_it((PASSWORD,), said := worker.output())
    assert said
