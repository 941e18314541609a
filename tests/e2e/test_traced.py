"""One trace from a caller through the HTTP API, Kafka, a batch and Postgres to who reads the answer."""

from support.api_process import LEAVE, running_api
from support.deployment import Deployment, first_answers
from support.events import leave_record, three_rewards
from support.otlp_collector import running_collector
from support.workers import running_command, wait_until

MARCH = "2026-03-15T00:00:00Z"
TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{CALLER}-01"
STEPS = ["decode", "gather", "settle", "save", "publish"]
UNENROLL = "/targetGroups/{targetGroupId}/targets/{targetId}/unEnroll"


def test_one_trace_leads_from_the_caller_to_the_reader(deployment: Deployment) -> None:
    deployment.load(three_rewards(801))
    with running_collector() as collector:
        own = {**deployment.environment, **collector.environment}
        with running_command("run", environment=own) as worker, running_api(deployment, **collector.environment) as api:
            reply = api.post(LEAVE, {"customerId": 801, "effectiveAt": MARCH}, who="clerk", traceparent=SAMPLED)
            assert reply.status == 200, worker.output()
            call = collector.wait_for(f"POST {UNENROLL}")
            part = collector.wait_for("UnenrollRequested")
            wait_until(lambda: collector.below(part) == STEPS, "all steps", show=lambda: str(collector.spans))
            wait_until(lambda: f'"trace_id": "{TRACE}"' in api.command.output(), "the trace in the log")
        (batch,) = (span for span in collector.named("batch") if part.id in {*span.links} or span.id in part.links)
    assert (call.trace, call.parent, call.service) == (TRACE, CALLER, "unenroll-api")
    assert (part.trace, part.parent, part.service) == (TRACE, call.id, "unenroll")
    assert part.attributes["unenroll.outcome"] == "taken"
    assert call.nanoseconds[0] < part.nanoseconds[0] < part.nanoseconds[1]
    assert batch.trace != TRACE
    assert collector.below(batch) == STEPS
    assert batch.links == (call.id,)
    (asked,) = deployment.consume("requests")
    assert asked.header("traceparent") == f"00-{TRACE}-{call.id}-01"
    received = deployment.consume("unenrollments", "rewards")
    assert [record.header("traceparent") for record in received] == [asked.header("traceparent")] * 2


def test_what_is_published_carries_what_came_whether_traced_or_not(deployment: Deployment) -> None:
    deployment.load(line for customer in (811, 812, 813) for line in three_rewards(customer))
    unsampled = SAMPLED[:-1] + "0"
    asked = {811: SAMPLED, 812: unsampled, 813: "no traceparent at all"}
    requests = [leave_record(customer) for customer in asked]
    for request, trace in zip(requests, asked.values(), strict=True):
        request.headers.append(("traceparent", trace))
    with (
        running_collector() as collector,
        running_command("run", environment={**deployment.environment, **collector.environment}) as worker,
    ):
        deployment.request(requests)
        wait_until(lambda: len(first_answers(deployment.consume())) == 3, "three answers", show=worker.output)
        part = collector.wait_for("UnenrollRequested")  # the only one that somebody records
    assert (part.trace, part.parent) == (TRACE, CALLER)
    received = {int(record.key or b""): record.header("traceparent") for record in deployment.consume("unenrollments")}
    assert received == asked


def test_a_collector_that_is_away_holds_up_nobody(deployment: Deployment) -> None:
    deployment.load(three_rewards(821))
    with running_collector() as gone:
        away = gone.environment
    with running_command("run", environment={**deployment.environment, **away}) as worker:
        deployment.request([leave_record(821)])
        wait_until(lambda: len(first_answers(deployment.consume())) == 1, "an answer", show=worker.output)
        worker.wait_for_log('"trace_export_failed"')
