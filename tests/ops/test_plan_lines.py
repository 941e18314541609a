"""Lines of a plan: requests that `publish` reads too, each with the expected account and the prediction."""

import dataclasses

import pytest
from msgspec import Raw
from msgspec.structs import replace

from unenroll.core.events import EventId, ExpectedAccount, UnenrollRequested
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import Rule
from unenroll.ops.plan.lines import (
    KeptReward,
    ParsedRequest,
    PlannedRequest,
    PredictedEvent,
    Prediction,
    is_caused_by,
    parse_request,
    planned_line,
    predicted_event,
    read_planned,
    request_again,
)
from unenroll.wire.encode import encode
from unenroll.wire.ndjson import publish_line
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import Message
from wire.samples import REQUEST, as_json
from wire.test_encode import CHANGES, CONTEXT
from wire.test_ndjson import line

PLAIN = {name: told for name, told in REQUEST.items() if name != "expected"}
EXPECTED = [ExpectedAccount(0), ExpectedAccount(6, EventId('7f"1b\\', "/crm/äpp"))]
PREDICTED = Prediction(
    outcome=Outcome.UNENROLLED,
    decision=7,
    kept=(KeptReward("R1", Rule.CYCLE_FINISHED),),
    events=(PredictedEvent("an id", "UserUnenrolled", Raw(b'{"a":[1.50,{}]}')),),
)
FINAL = Prediction(outcome=Outcome.TARGET_NOT_FOUND, decision=None, kept=(), events=())


def request(data: object = PLAIN) -> ParsedRequest:
    taken = parse_request(line("UnenrollRequested", data=data))
    assert isinstance(taken, ParsedRequest), taken
    return taken


@pytest.mark.parametrize("expected", EXPECTED)
@pytest.mark.parametrize("predicted", [PREDICTED, FINAL])
def test_a_line_of_a_plan_has_the_expectation_and_the_prediction(
    expected: ExpectedAccount, predicted: Prediction
) -> None:
    planned = read_planned(planned_line(request(), expected, predicted))
    assert isinstance(planned, PlannedRequest), planned
    assert planned.predicted == predicted
    event = planned.request.received.event
    assert isinstance(event, UnenrollRequested)
    assert event.expected == expected


@pytest.mark.parametrize("data", [PLAIN, PLAIN | {"note": {"a": ["}", "\ud800", 5.0]}}, PLAIN | {"expected": None}])
def test_a_line_of_a_plan_is_published_with_all_fields_of_the_request(data: object) -> None:
    before = request(data)
    assert not before.has_expectation
    message = publish_line(planned_line(before, ExpectedAccount(6), PREDICTED))
    assert isinstance(message, Message)
    told = as_json(data).removesuffix(b"}") + b',"expected":{"decision":6}}'
    assert message == replace(before.message, value=told)
    after = parse_request(planned_line(before, ExpectedAccount(6), PREDICTED))
    assert isinstance(after, ParsedRequest)
    assert after.has_expectation


@pytest.mark.parametrize("data", [PLAIN, PLAIN | {"note": ',"expected":{"decision":1}}'}])
@pytest.mark.parametrize("expected", EXPECTED)
def test_a_request_of_a_plan_can_be_asked_again_without_the_plan(data: object, expected: ExpectedAccount) -> None:
    planned = read_planned(planned_line(request(data), expected, PREDICTED))
    assert isinstance(planned, PlannedRequest)
    again = parse_request(request_again(planned.request, suffix="~2"))
    assert isinstance(again, ParsedRequest)
    assert again.message.value == as_json(data)
    assert again.received == replace(
        request(data).received,
        event=dataclasses.replace(request(data).received.event, key=EventId("e-1~2", "/engine")),
        event_key=again.received.event_key,
    )


@pytest.mark.parametrize("spoiled", [b"", b'{"predicted": 1}', line("RewardIssued"), line("UnenrollRequested")])
def test_what_is_no_line_of_a_plan_is_refused(spoiled: bytes) -> None:
    assert isinstance(read_planned(spoiled), DeadLetter)


@pytest.mark.parametrize("name", CHANGES)
def test_an_event_is_recognized_by_its_cause(name: str) -> None:
    message = encode(CHANGES[name], CONTEXT)
    event = request(PLAIN | {"customerId": CONTEXT.customer_id, "targetId": CONTEXT.target_id}).received.event
    assert isinstance(event, UnenrollRequested)
    assert predicted_event(message).type == name
    for key, told in ((CONTEXT.cause, True), (EventId("other", CONTEXT.cause.source), False)):
        assert is_caused_by(message, dataclasses.replace(event, key=key)) is told
