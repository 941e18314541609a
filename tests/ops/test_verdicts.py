"""Decisions are compared with the plan byte by byte: missing, additional and changed events are differences."""

from dataclasses import replace

import pytest
from msgspec import Raw

from support.files import leave_line
from unenroll.core.events import ExpectedAccount
from unenroll.core.outcomes import Outcome
from unenroll.ops.plan.lines import (
    ParsedRequest,
    PlannedRequest,
    PredictedEvent,
    Prediction,
    parse_request,
    planned_line,
    read_planned,
)
from unenroll.ops.plan.verdicts import RequestResult, judge_request
from unenroll.postgres.plans import DecidedRequest

LEFT = PredictedEvent("1", "UserUnenrolled", Raw(b'{"revision":1}'))
LOST = PredictedEvent("2", "RewardCancelled", Raw(b'{"rewardId":"R3"}'))
DECIDED = DecidedRequest(Outcome.UNENROLLED, 7, 1, 12)


def planned() -> PlannedRequest:
    request = parse_request(leave_line(1).encode())
    assert isinstance(request, ParsedRequest)
    predicted = Prediction(outcome=Outcome.UNENROLLED, decision=7, kept=(), events=(LEFT, LOST))
    planned_request = read_planned(planned_line(request, ExpectedAccount(6), predicted))
    assert isinstance(planned_request, PlannedRequest)
    return planned_request


def test_what_is_as_predicted_is_so_in_any_order() -> None:
    for published in ([LEFT, LOST], [LOST, LEFT]):
        verdict = judge_request(planned(), DECIDED, published)
        assert (verdict.result, verdict.why) == (RequestResult.AS_PREDICTED, ())
        assert (verdict.customer_id, verdict.target_id, verdict.id, verdict.source) == (1, 21, "leave-1", "/crm")


@pytest.mark.parametrize(
    ("decided", "published", "why"),
    [
        (DECIDED._replace(outcome=Outcome.NOT_ENROLLED), [LEFT, LOST], "outcome NOT_ENROLLED instead of UNENROLLED"),
        (DECIDED._replace(decision=8), [LEFT, LOST], "decision 8 on the account instead of 7"),
        (DECIDED, [LEFT], "RewardCancelled 2 was not published"),
        (DECIDED, [LEFT, LOST, replace(LOST, id="3")], "RewardCancelled 3 was not predicted"),
        (
            DECIDED,
            [LEFT, replace(LOST, data=Raw(b'{"rewardId":"R4"}'))],
            'RewardCancelled 2 was published as {"rewardId":"R4"}',
        ),
    ],
)
def test_a_difference_is_described(decided: DecidedRequest, published: list[PredictedEvent], why: str) -> None:
    verdict = judge_request(planned(), decided, published)
    assert (verdict.result, verdict.why) == (RequestResult.DIFFERENT, (why,))


def test_what_is_stale_or_undecided_is_no_difference() -> None:
    stale = judge_request(planned(), DECIDED._replace(outcome=Outcome.PLAN_STALE, decision=None), [])
    assert (stale.result, stale.decided, len(stale.why)) == (RequestResult.STALE, Outcome.PLAN_STALE, 1)
    undecided = judge_request(planned(), None, [])
    assert (undecided.result, undecided.decided, len(undecided.why)) == (RequestResult.UNDECIDED, None, 1)
