"""Requests of a plan: refused where something else was decided on the account since (rules.md section 4)."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from core.campaigns import (
    CUSTOMER,
    DEFINITIONS,
    PERIOD_END,
    Scenario,
    at,
    enrolled,
    leave,
    reward,
)
from unenroll.core.decide import AccountState, Decision, RefusedRequest, decide
from unenroll.core.events import Event, EventId, ExpectedAccount, UnenrollRequested
from unenroll.core.facts import Account
from unenroll.core.outcomes import Outcome

FIRST = leave("15 Mar")
SECOND = leave("10 Mar")
ENROLLED = enrolled("1 Jan")
R3 = reward("R3", "c3", PERIOD_END, "5 Mar")
NEWS = reward("R4", "c3", PERIOD_END, "6 Mar")


def planned(request: UnenrollRequested, decision: int, after: UnenrollRequested | None = None) -> UnenrollRequested:
    return replace(request, expected=ExpectedAccount(decision, None if after is None else after.key))


def apply_events(events: Sequence[Event]) -> tuple[AccountState | None, int]:
    """Return the account after the events, and the number of decisions on it."""
    state, decisions = None, 0
    for event in events:
        decided = decide(event, DEFINITIONS, state, decisions=decisions)
        if isinstance(decided, Decision):
            state, decisions = decided.state, decisions + 1
    return state, decisions


def answer(request: UnenrollRequested, *before: Event) -> Outcome | None:
    state, decisions = apply_events(before)
    decided = decide(request, DEFINITIONS, state, decisions=decisions)
    if isinstance(decided, RefusedRequest):
        return decided.rejection.outcome
    assert isinstance(decided, Decision)
    return decided.outcome


@pytest.mark.parametrize(
    ("outcome", "before", "request_"),
    [
        (Outcome.UNENROLLED, [ENROLLED, R3], planned(FIRST, 2)),
        (Outcome.PLAN_STALE, [ENROLLED, R3, NEWS], planned(FIRST, 2)),
        (Outcome.PLAN_STALE, [ENROLLED], planned(FIRST, 2)),
        (Outcome.NOT_ENROLLED, [], planned(FIRST, 0)),
        (Outcome.PLAN_STALE, [], planned(FIRST, 1)),
        (Outcome.UNENROLLED, [ENROLLED, planned(FIRST, 1)], planned(SECOND, 2, FIRST)),
        (Outcome.PLAN_STALE, [ENROLLED, planned(FIRST, 1), NEWS], planned(SECOND, 2, FIRST)),
    ],
)
def test_a_request_is_stale_if_the_account_is_not_as_its_plan_saw_it(
    outcome: Outcome, before: list[Event], request_: UnenrollRequested
) -> None:
    assert answer(request_, *before) is outcome


def test_what_made_the_first_request_stale_is_not_taken_for_its_decision_by_the_second() -> None:
    before: list[Event] = [ENROLLED, NEWS, planned(FIRST, 1)]
    assert answer(planned(FIRST, 1), ENROLLED, NEWS) is Outcome.PLAN_STALE
    assert answer(planned(SECOND, 2, FIRST), *before) is Outcome.PLAN_STALE


@pytest.mark.parametrize("other", [EventId(FIRST.key.id, "/elsewhere"), EventId("other", FIRST.key.source)])
def test_the_request_before_is_known_by_id_and_source(other: EventId) -> None:
    request = replace(SECOND, expected=ExpectedAccount(2, other))
    assert answer(request, ENROLLED, FIRST) is Outcome.PLAN_STALE


@pytest.mark.parametrize(
    ("outcome", "changed"),
    [
        (Outcome.INVALID_CUSTOMER, {"customer_id": 0}),
        (Outcome.GROUP_NOT_FOUND, {"group_id": 99}),
        (Outcome.TARGET_NOT_FOUND, {"target_id": 98}),
        (Outcome.TARGET_NOT_IN_GROUP, {"target_id": 22}),
        (Outcome.EFFECTIVE_IN_FUTURE, {"time": at("1 Mar")}),
    ],
)
def test_what_needs_no_account_is_answered_first(outcome: Outcome, changed: dict[str, object]) -> None:
    assert answer(planned(replace(FIRST, **changed), 7)) is outcome  # type: ignore[arg-type]


def test_staleness_comes_before_whatever_the_account_would_say() -> None:
    state = AccountState(account=Account(customer_id=CUSTOMER, target_id=21))
    histories: list[list[Event]] = [[], [ENROLLED, FIRST], [ENROLLED]]
    for before in histories:
        late = replace(SECOND, effective_at=at("1 Jul"), time=at("1 Jul"))
        assert answer(planned(late, 7), *before) is Outcome.PLAN_STALE
    assert isinstance(decide(planned(FIRST, 7), DEFINITIONS, state), RefusedRequest)


def test_a_stale_request_leaves_no_fact_and_says_so() -> None:
    scenario = Scenario()
    scenario.apply_all([ENROLLED, R3])
    refused = decide(planned(FIRST, 1), DEFINITIONS, scenario.state, decisions=2)
    assert isinstance(refused, RefusedRequest)
    assert refused.rejection.detail.startswith("The account has changed since the plan was made")


def test_who_is_no_part_of_a_plan_is_never_stale() -> None:
    assert answer(FIRST, ENROLLED, R3, NEWS) is Outcome.UNENROLLED
