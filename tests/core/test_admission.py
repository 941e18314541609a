"""Requests that are refused without reading the account, in order of precedence (rules.md section 4)."""

from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from core.campaigns import (
    ABC,
    CUSTOMER,
    DAYS,
    DEFINITIONS,
    EVERYBODY,
    MONTHS,
    XYZ,
    Scenario,
    at,
    defined,
    enrolled,
    group,
    leave,
)
from unenroll.core.admission import admit
from unenroll.core.decide import RefusedRequest, Rejection, decide
from unenroll.core.definitions import DefinitionSet
from unenroll.core.events import UnenrollRequested
from unenroll.core.outcomes import Outcome

FUTURE = replace(leave("15 Mar"), time=at("15 Mar") - timedelta(microseconds=1))
IN_TIME = replace(FUTURE, time=FUTURE.effective_at)

TABLE = [
    (Outcome.INVALID_CUSTOMER, replace(FUTURE, customer_id=0, group_id=99, target_id=98)),
    (Outcome.INVALID_CUSTOMER, replace(FUTURE, customer_id=-1, group_id=99, target_id=98)),
    (Outcome.GROUP_NOT_FOUND, replace(FUTURE, group_id=99, target_id=98)),
    (Outcome.TARGET_NOT_FOUND, replace(FUTURE, target_id=98)),
    (Outcome.TARGET_NOT_IN_GROUP, replace(FUTURE, target_id=22)),
    (Outcome.EFFECTIVE_IN_FUTURE, FUTURE),
    (None, IN_TIME),
    (None, replace(IN_TIME, customer_id=1)),
]


@pytest.mark.parametrize(("outcome", "request_"), TABLE)
def test_the_first_outcome_that_applies_is_the_answer(outcome: Outcome | None, request_: UnenrollRequested) -> None:
    assert admit(request_, DEFINITIONS) is outcome


@pytest.mark.parametrize(
    ("definitions", "request_", "outcome"),
    [
        (defined(group(11, MONTHS, ABC, active=False)), FUTURE, Outcome.GROUP_NOT_FOUND),
        (defined(group(11, MONTHS, replace(ABC, active=False))), FUTURE, Outcome.TARGET_NOT_FOUND),
        (
            defined(group(11, MONTHS, ABC), group(12, DAYS, replace(XYZ, active=False))),
            replace(FUTURE, target_id=22),
            Outcome.TARGET_NOT_FOUND,
        ),
        (
            defined(group(11, MONTHS, ABC), group(12, DAYS, XYZ, active=False)),
            replace(FUTURE, target_id=22),
            Outcome.TARGET_NOT_IN_GROUP,
        ),
        (defined(group(12, DAYS, ABC), group(11, MONTHS, ABC)), FUTURE, Outcome.TARGET_NOT_IN_GROUP),
    ],
)
def test_what_is_inactive_is_not_there(
    definitions: DefinitionSet, request_: UnenrollRequested, outcome: Outcome
) -> None:
    assert admit(request_, definitions) is outcome


@pytest.mark.parametrize(("outcome", "request_"), [row for row in TABLE if row[0]])
def test_a_refused_request_leaves_no_fact(outcome: Outcome, request_: UnenrollRequested) -> None:
    scenario = Scenario()
    scenario.apply(enrolled("1 Jan"))
    for state in (None, scenario.state):
        refused = decide(request_, DEFINITIONS, state)
        assert isinstance(refused, RefusedRequest)
        rejected = refused.rejection
        assert (rejected.request, rejected.outcome) == (request_, outcome)
        assert rejected.detail


def test_a_rejection_says_why_in_a_sentence_and_names_what_was_asked_for() -> None:
    in_kolkata = at("15 Mar").astimezone(timezone(timedelta(hours=5, minutes=30)))
    (rejected,) = Scenario().apply(replace(leave("15 Mar"), effective_at=in_kolkata)).changes
    assert isinstance(rejected, Rejection)
    assert rejected.detail == (
        "The customer was not enrolled at that time, so there was nothing to leave. "
        f"Requested: customer {CUSTOMER}, target 21 of group 11, effective 2026-03-15T00:00:00Z."
    )


def test_everybody_is_in_an_automatic_target_from_the_start() -> None:
    decided = Scenario().apply(leave("15 Mar", target=EVERYBODY))
    assert decided.outcome is Outcome.UNENROLLED
