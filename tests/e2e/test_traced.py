"""One trace from a caller through the HTTP API, Kafka, a batch and Postgres to who reads the answer."""

from support.api_process import LEAVE, opened
from support.events import leaves, three_rewards
from support.otlp_collector import collecting
from support.place import Place, answers
from support.workers import running, wait_until

MARCH = "2026-03-15T00:00:00Z"
TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{CALLER}-01"
STEPS = ["decode", "gather", "settle", "save", "publish"]
UNENROLL = "/targetGroups/{targetGroupId}/targets/{targetId}/unEnroll"


def test_one_trace_leads_from_the_caller_to_the_reader(place: Place) -> None:
    place.load(three_rewards(801))
    with collecting() as collector:
        own = {**place.environment, **collector.environment}
        with running("run", environment=own) as worker, opened(place, **collector.environment) as api:
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
    (asked,) = place.seen("requests")
    assert asked.header("traceparent") == f"00-{TRACE}-{call.id}-01"
    told = place.seen("unenrollments", "rewards")
    assert [record.header("traceparent") for record in told] == [asked.header("traceparent")] * 2


def test_what_is_published_carries_what_came_whether_traced_or_not(place: Place) -> None:
    place.load(line for customer in (811, 812, 813) for line in three_rewards(customer))
    unsampled = SAMPLED[:-1] + "0"
    asked = {811: SAMPLED, 812: unsampled, 813: "no traceparent at all"}
    requests = [leaves(customer) for customer in asked]
    for request, trace in zip(requests, asked.values(), strict=True):
        request.headers.append(("traceparent", trace))
    with (
        collecting() as collector,
        running("run", environment={**place.environment, **collector.environment}) as worker,
    ):
        place.request(requests)
        wait_until(lambda: len(answers(place.seen())) == 3, "three answers", show=worker.output)
        part = collector.wait_for("UnenrollRequested")  # the only one that somebody records
    assert (part.trace, part.parent) == (TRACE, CALLER)
    told = {int(record.key or b""): record.header("traceparent") for record in place.seen("unenrollments")}
    assert told == asked


def test_a_collector_that_is_away_holds_up_nobody(place: Place) -> None:
    place.load(three_rewards(821))
    with collecting() as gone:
        away = gone.environment
    with running("run", environment={**place.environment, **away}) as worker:
        place.request([leaves(821)])
        wait_until(lambda: len(answers(place.seen())) == 1, "an answer", show=worker.output)
        worker.wait_to_say('"trace_export_failed"')
