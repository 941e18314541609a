"""What was decided is held against the plan to the byte: nothing may be missing, be there besides, or say otherwise."""

from dataclasses import replace

import pytest
from msgspec import Raw

from support.files import leave
from unenroll.core.events import ExpectedAccount
from unenroll.core.outcomes import Outcome
from unenroll.ops.plan.lines import (
    PlannedEvent,
    PlannedRequest,
    PredictedEvent,
    Prediction,
    planned_line,
    read_planned,
    request_line,
)
from unenroll.ops.plan.verdicts import RequestResult, judge_requests
from unenroll.postgres.plans import DecidedRequest

LEFT = PredictedEvent("1", "UserUnenrolled", Raw(b'{"revision":1}'))
LOST = PredictedEvent("2", "RewardCancelled", Raw(b'{"rewardId":"R3"}'))
DECIDED = DecidedRequest(Outcome.UNENROLLED, 7, 1, 12)


def planned() -> PlannedRequest:
    request = request_line(leave(1).encode())
    assert isinstance(request, PlannedEvent)
    predicted = Prediction(outcome=Outcome.UNENROLLED, decision=7, kept=(), events=(LEFT, LOST))
    told = read_planned(planned_line(request, ExpectedAccount(6), predicted))
    assert isinstance(told, PlannedRequest)
    return told


def test_what_is_as_predicted_is_so_in_any_order() -> None:
    for published in ([LEFT, LOST], [LOST, LEFT]):
        verdict = judge_requests(planned(), DECIDED, published)
        assert (verdict.result, verdict.why) == (RequestResult.AS_PREDICTED, ())
        assert (verdict.customer_id, verdict.target_id, verdict.id, verdict.source) == (1, 21, "leave-1", "/crm")


@pytest.mark.parametrize(
    ("decided", "published", "why"),
    [
        (DECIDED._replace(outcome=Outcome.NOT_ENROLLED), [LEFT, LOST], "NOT_ENROLLED instead of UNENROLLED"),
        (DECIDED._replace(decision=8), [LEFT, LOST], "decision 8 on the account instead of 7"),
        (DECIDED, [LEFT], "no RewardCancelled 2"),
        (DECIDED, [LEFT, LOST, replace(LOST, id="3")], "RewardCancelled 3 was not predicted"),
        (DECIDED, [LEFT, replace(LOST, data=Raw(b'{"rewardId":"R4"}'))], 'RewardCancelled 2 says {"rewardId":"R4"}'),
    ],
)
def test_what_differs_is_told(decided: DecidedRequest, published: list[PredictedEvent], why: str) -> None:
    verdict = judge_requests(planned(), decided, published)
    assert (verdict.result, verdict.why) == (RequestResult.DIFFERENT, (why,))


def test_what_is_stale_or_undecided_is_no_difference() -> None:
    stale = judge_requests(planned(), DECIDED._replace(outcome=Outcome.PLAN_STALE, decision=None), [])
    assert (stale.result, stale.decided, len(stale.why)) == (RequestResult.STALE, Outcome.PLAN_STALE, 1)
    undecided = judge_requests(planned(), None, [])
    assert (undecided.result, undecided.decided, len(undecided.why)) == (RequestResult.UNDECIDED, None, 1)
