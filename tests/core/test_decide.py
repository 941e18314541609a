"""Decisions: one event, one account."""

from dataclasses import replace
from decimal import Decimal

import pytest

from core.campaigns import (
    CUSTOMER,
    DEFINITIONS,
    IMMEDIATE,
    MONTHS,
    PERIOD_END,
    Scenario,
    enrolled,
    issued,
    leave,
    reward,
)
from unenroll.core.admission import RefusedEvent
from unenroll.core.calendar import Calendar
from unenroll.core.changes import RewardCancellation, SettledAccount
from unenroll.core.decide import AccountState, Decision, Rejection, decide, resettle
from unenroll.core.events import Event, Value
from unenroll.core.facts import Account
from unenroll.core.outcomes import Outcome
from unenroll.core.reasons import Reason

EARNED = reward("R3", "c3", PERIOD_END, "5 Mar")


def test_the_first_event_begins_the_account() -> None:
    decided = decide(enrolled("1 Jan"), DEFINITIONS)
    assert isinstance(decided, Decision)
    assert (decided.state.account.customer_id, decided.state.account.target_id) == (CUSTOMER, 21)
    assert (decided.changes, decided.outcome) == ((), None)


def test_a_request_is_answered_with_its_outcome() -> None:
    scenario = Scenario()
    assert scenario.apply_all([enrolled("1 Jan"), leave("15 Mar")]).outcome is Outcome.UNENROLLED
    assert scenario.apply(leave("20 Mar")).outcome is Outcome.ALREADY_UNENROLLED
    assert scenario.apply(EARNED).outcome is None


def test_a_leave_keeps_what_the_request_says() -> None:
    scenario = Scenario()
    scenario.apply(leave("15 Mar"))
    assert scenario.state is not None
    (fact,) = scenario.state.account.leaves
    assert (fact.reason, fact.requested_by) == ("customer asked", "agent 7")


def test_a_fact_without_a_place_changes_nothing() -> None:
    refused = decide(replace(EARNED, period_name="c9"), DEFINITIONS)
    assert isinstance(refused, RefusedEvent)
    assert refused.reason == "period_not_found"


@pytest.mark.parametrize(
    "other",
    [
        replace(EARNED, period_name="c2"),
        replace(EARNED, allocation=IMMEDIATE),
        replace(EARNED, achieved_at=EARNED.achieved_at.replace(microsecond=1)),
        replace(EARNED, level=1),
        replace(EARNED, value=Value(Decimal(1), "EUR")),
        replace(EARNED, period_name="c2", issued_at=EARNED.achieved_at),
    ],
)
def test_the_same_reward_with_other_content_is_a_conflict_and_the_first_arrival_wins(other: Event) -> None:
    scenario = Scenario()
    scenario.apply_all([enrolled("1 Jan"), EARNED, leave("15 Mar")])
    refused = decide(other, DEFINITIONS, scenario.state)
    assert refused == RefusedEvent(
        reason=Reason.REWARD_CONFLICT, detail=f"Customer {CUSTOMER} already has reward R3 with different content."
    )


def test_the_same_reward_again_is_the_same_and_its_issuance_counts() -> None:
    scenario = Scenario()
    scenario.apply_all([enrolled("1 Jan"), EARNED, leave("15 Mar")])
    assert scenario.state is not None
    again = scenario.apply(replace(EARNED, key=leave("1 Jan").key))
    assert again.changes == ()
    paid = scenario.apply(replace(EARNED, issued_at=EARNED.achieved_at))
    assert [(change.action, change.revision) for change in paid.changes if isinstance(change, RewardCancellation)] == [
        ("REVERSE", 2)
    ]
    assert len(paid.state.account.rewards) == 1


def test_an_issuance_may_come_before_its_reward() -> None:
    scenario = Scenario()
    changes = scenario.apply_all([issued("R3", "1 Apr"), enrolled("1 Jan"), leave("15 Mar"), EARNED]).changes
    assert [change.action for change in changes if isinstance(change, RewardCancellation)] == ["REVERSE"]


def test_a_request_that_the_ledger_forgot_is_not_answered_twice() -> None:
    scenario = Scenario()
    scenario.apply_all([request := leave("15 Mar")])
    again = scenario.apply(request)
    assert (again.changes, again.outcome) == ((), Outcome.NOT_ENROLLED)


def test_a_rejection_comes_before_what_else_the_decision_publishes() -> None:
    """A longer calendar may be known before the accounts that wait for it are settled again."""
    until_march = replace(DEFINITIONS.groups[11], calendar=Calendar(MONTHS.cycles[:3]))
    scenario = Scenario(replace(DEFINITIONS, groups={11: until_march}))
    scenario.apply_all([enrolled("1 Jan"), leave("15 Apr")])
    scenario.definitions = DEFINITIONS
    changes = scenario.apply(leave("20 Apr")).changes
    assert [type(change).__name__ for change in changes] == ["Rejection", "Unenrollment"]
    assert isinstance(changes[0], Rejection)
    assert changes[0].outcome is Outcome.ALREADY_UNENROLLED


def test_what_did_not_change_stays_the_same_object() -> None:
    scenario = Scenario()
    before = scenario.apply_all([enrolled("1 Jan"), EARNED, leave("15 Mar")]).state.settled
    after = scenario.apply(reward("R4", "c3", IMMEDIATE, "6 Mar")).state.settled
    assert after.rewards["R3"] is before.rewards["R3"]
    assert [*map(id, after.leaves.values())] == [*map(id, before.leaves.values())]


def test_facts_that_were_loaded_are_settled_with_the_next_event() -> None:
    """Rewards without an entry in what was last settled count as never published."""
    scenario = Scenario()
    account = scenario.apply_all([enrolled("1 Jan"), EARNED]).state.account
    scenario.state = AccountState(account=account, settled=SettledAccount())
    changes = scenario.apply(leave("15 Mar")).changes
    assert [type(change).__name__ for change in changes] == ["Unenrollment", "RewardCancellation"]


def test_settling_again_without_news_changes_nothing() -> None:
    scenario = Scenario()
    state = scenario.apply_all([enrolled("1 Jan"), EARNED, leave("15 Mar")]).state
    group = DEFINITIONS.groups[11]
    again = resettle(state, group.targets[21], group.calendar)
    assert (again.state, again.changes, again.outcome) == (state, (), None)


def test_an_empty_account_is_settled_to_nothing() -> None:
    group = DEFINITIONS.groups[11]
    empty = AccountState(account=Account(customer_id=1, target_id=21))
    assert resettle(empty, group.targets[21], group.calendar).state == empty
