"""The HTTP API observed: calls counted by route, health without authentication, metrics only at the other address."""

import base64
import signal

from support.api_process import LEAVE, deciding_worker, running_api
from support.deployment import Deployment
from support.events import three_rewards
from support.served_pages import SERVE_STATUS, StatusPages
from support.workers import wait_until

UNENROLL = "/targetGroups/{targetGroupId}/targets/{targetId}/unEnroll"
MARCH = "2026-03-15T00:00:00Z"


def test_calls_are_counted_by_route_and_health_needs_no_caller(deployment: Deployment) -> None:
    deployment.load(three_rewards(901))
    with deciding_worker(deployment), running_api(deployment, **SERVE_STATUS) as api:
        shown = StatusPages(command=api.command)
        wait_until(lambda: shown.get("/readyz")[0] == 200, "an HTTP API that is ready", show=api.command.output)
        assert api.post(LEAVE, {"customerId": 901, "effectiveAt": MARCH}, who="clerk").status == 200
        stranger = base64.b64encode(b"crm:wrong").decode()
        assert api.call("POST", LEAVE, b"[]", Authorization=f"Basic {stranger}").status == 401
        assert api.get("/nowhere").status == 404
        healths = [api.call("GET", path) for path in ("/healthz", "/readyz")]
        assert [(one.status, one.json) for one in healths] == [(200, {"alive": True}), (200, {"ready": True})]
        assert api.call("GET", "/metrics").status == 401
        assert api.get("/metrics").status == 404
        assert "/healthz" not in api.get("/openapi.json").json["paths"]
        found = shown.metrics()
        alive = shown.json("/healthz")
        api.command.send_signal(signal.SIGTERM)
        assert api.command.wait() == 0
    counted = {name: value for name, value in found.items() if name.startswith("unenroll_api_requests_total")}
    assert counted == {
        f"unenroll_api_requests_total POST {UNENROLL} 200": 1,
        "unenroll_api_requests_total POST none 401": 1,
        "unenroll_api_requests_total GET none 401": 1,
        "unenroll_api_requests_total GET none 404": 2,
        "unenroll_api_requests_total GET /healthz 200": 1,
        "unenroll_api_requests_total GET /readyz 200": 1,
        "unenroll_api_requests_total GET none 200": 1,  # the OpenAPI document
    }
    assert found[f"unenroll_api_request_seconds_count {UNENROLL}"] == 1
    assert found["unenroll_api_decision_wait_seconds_count"] == 1
    assert found["unenroll_api_in_flight"] == 0
    assert found["unenroll_server_answers kafka"] == found["unenroll_server_answers postgres"] == 1
    assert (alive[0], alive[1]["why"]) == (200, ["nothing to do"])
