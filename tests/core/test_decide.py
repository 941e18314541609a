"""One event folded into one account."""

from dataclasses import replace
from decimal import Decimal

import pytest

from core.campaigns import CUSTOMER, DEFINITIONS, IMMEDIATE, MONTHS, PERIOD_END, Story, enrolled, issued, leave, reward
from unenroll.core.admission import Misplaced
from unenroll.core.calendar import Calendar
from unenroll.core.changes import RewardCancellation, SettledAccount
from unenroll.core.decide import AccountState, Decision, Rejected, decide, resettle
from unenroll.core.events import Event, Value
from unenroll.core.facts import Account
from unenroll.core.outcomes import Outcome

EARNED = reward("R3", "c3", PERIOD_END, "5 Mar")


def test_the_first_event_begins_the_account() -> None:
    decided = decide(enrolled("1 Jan"), DEFINITIONS)
    assert isinstance(decided, Decision)
    assert (decided.state.account.customer_id, decided.state.account.target_id) == (CUSTOMER, 21)
    assert (decided.changes, decided.outcome) == ((), None)


def test_a_request_is_answered_with_its_outcome() -> None:
    story = Story()
    assert story.tell([enrolled("1 Jan"), leave("15 Mar")]).outcome is Outcome.UNENROLLED
    assert story.hear(leave("20 Mar")).outcome is Outcome.ALREADY_UNENROLLED
    assert story.hear(EARNED).outcome is None


def test_a_leave_keeps_what_the_request_says() -> None:
    story = Story()
    story.hear(leave("15 Mar"))
    assert story.state is not None
    (kept,) = story.state.account.leaves
    assert (kept.reason, kept.requested_by) == ("customer asked", "agent 7")


def test_a_fact_without_a_place_changes_nothing() -> None:
    misplaced = decide(replace(EARNED, period_name="c9"), DEFINITIONS)
    assert isinstance(misplaced, Misplaced)
    assert misplaced.reason == "period_not_found"


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
    story = Story()
    story.tell([enrolled("1 Jan"), EARNED, leave("15 Mar")])
    misplaced = decide(other, DEFINITIONS, story.state)
    assert misplaced == Misplaced(
        reason="reward_conflict", detail=f"Reward R3 of customer {CUSTOMER} is known with other content."
    )


def test_the_same_reward_again_is_the_same_and_its_issuance_counts() -> None:
    story = Story()
    story.tell([enrolled("1 Jan"), EARNED, leave("15 Mar")])
    assert story.state is not None
    again = story.hear(replace(EARNED, key=leave("1 Jan").key))
    assert again.changes == ()
    paid = story.hear(replace(EARNED, issued_at=EARNED.achieved_at))
    assert [(change.action, change.revision) for change in paid.changes if isinstance(change, RewardCancellation)] == [
        ("REVERSE", 2)
    ]
    assert len(paid.state.account.rewards) == 1


def test_an_issuance_may_come_before_its_reward() -> None:
    story = Story()
    told = story.tell([issued("R3", "1 Apr"), enrolled("1 Jan"), leave("15 Mar"), EARNED]).changes
    assert [change.action for change in told if isinstance(change, RewardCancellation)] == ["REVERSE"]


def test_a_request_that_the_ledger_forgot_is_not_answered_twice() -> None:
    story = Story()
    story.tell([request := leave("15 Mar")])
    again = story.hear(request)
    assert (again.changes, again.outcome) == ((), Outcome.NOT_ENROLLED)


def test_a_rejection_comes_before_what_else_the_decision_publishes() -> None:
    """A longer calendar may be known before the accounts that wait for it are settled again."""
    until_march = replace(DEFINITIONS.groups[11], calendar=Calendar(MONTHS.cycles[:3]))
    story = Story(replace(DEFINITIONS, groups={11: until_march}))
    story.tell([enrolled("1 Jan"), leave("15 Apr")])
    story.definitions = DEFINITIONS
    told = story.hear(leave("20 Apr")).changes
    assert [type(change).__name__ for change in told] == ["Rejected", "Unenrollment"]
    assert isinstance(told[0], Rejected)
    assert told[0].outcome is Outcome.ALREADY_UNENROLLED


def test_what_did_not_change_stays_the_same_object() -> None:
    story = Story()
    before = story.tell([enrolled("1 Jan"), EARNED, leave("15 Mar")]).state.settled
    after = story.hear(reward("R4", "c3", IMMEDIATE, "6 Mar")).state.settled
    assert after.rewards["R3"] is before.rewards["R3"]
    assert [*map(id, after.leaves.values())] == [*map(id, before.leaves.values())]


def test_facts_that_were_loaded_are_settled_with_the_next_event() -> None:
    """Rewards without an entry in what was last settled count as never published."""
    story = Story()
    account = story.tell([enrolled("1 Jan"), EARNED]).state.account
    story.state = AccountState(account=account, settled=SettledAccount())
    told = story.hear(leave("15 Mar")).changes
    assert [type(change).__name__ for change in told] == ["Unenrollment", "RewardCancellation"]


def test_settling_again_without_news_changes_nothing() -> None:
    story = Story()
    state = story.tell([enrolled("1 Jan"), EARNED, leave("15 Mar")]).state
    group = DEFINITIONS.groups[11]
    again = resettle(state, group.targets[21], group.calendar)
    assert (again.state, again.changes, again.outcome) == (state, (), None)


def test_an_empty_account_is_settled_to_nothing() -> None:
    group = DEFINITIONS.groups[11]
    empty = AccountState(account=Account(customer_id=1, target_id=21))
    assert resettle(empty, group.targets[21], group.calendar).state == empty
