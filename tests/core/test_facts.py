"""Events with naive instants cannot be built; an account gets each fact once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from core.campaigns import CUSTOMER, IMMEDIATE, at, enrolled, issued, key, leave, reward
from unenroll.core.events import CustomerEnrolled, EnrollmentOrigin
from unenroll.core.facts import Account, Enrollment, Fact, Issuance, Leave, Reward

NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 - what is to be refused
NOBODY = Account(customer_id=CUSTOMER, target_id=21)


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: replace(leave("1 Jan"), time=NAIVE), "time"),
        (lambda: replace(leave("1 Jan"), effective_at=NAIVE), "effectiveAt"),
        (lambda: replace(enrolled("1 Jan"), enrolled_at=NAIVE), "enrolledAt"),
        (lambda: replace(reward("R1", "c1", IMMEDIATE, "1 Jan"), achieved_at=NAIVE), "achievedAt"),
        (lambda: replace(reward("R1", "c1", IMMEDIATE, "1 Jan"), issued_at=NAIVE), "issuedAt"),
        (lambda: replace(issued("R1", "1 Jan"), issued_at=NAIVE), "issuedAt"),
    ],
)
def test_an_event_with_a_naive_instant_cannot_be_built(build: Callable[[], object], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field} .* has no offset"):
        build()


@pytest.mark.parametrize(
    ("first", "same_id"),
    [
        (Enrollment(key=key("e"), enrolled_at=at("1 Jan")), Enrollment(key=key("e"), enrolled_at=at("2 Jan"))),
        (Leave(key=key("l"), effective_at=at("1 Jan")), Leave(key=key("l"), effective_at=at("2 Jan"))),
        (
            Reward(reward_id="R1", cycle=1, allocation=IMMEDIATE, achieved_at=at("1 Jan")),
            Reward(reward_id="R1", cycle=1, allocation=IMMEDIATE, achieved_at=at("2 Jan")),
        ),
        (Issuance(reward_id="R1", issued_at=at("1 Jan")), Issuance(reward_id="R1", issued_at=at("2 Jan"))),
    ],
)
def test_an_account_adds_each_fact_once_and_the_first_arrival_wins(first: Fact, same_id: Fact) -> None:
    account = NOBODY.with_fact(first)
    assert account != NOBODY
    assert account.with_fact(same_id) is account


def test_an_account_keeps_its_other_facts() -> None:
    facts: list[Fact] = [
        Enrollment(key=key("e1"), enrolled_at=at("1 Jan")),
        Enrollment(key=key("e2"), enrolled_at=at("1 Jan")),
        Leave(key=key("l1"), effective_at=at("1 Jan")),
        Leave(key=key("l1", source="/another"), effective_at=at("1 Jan")),
        Reward(reward_id="R1", cycle=1, allocation=IMMEDIATE, achieved_at=at("1 Jan")),
        Reward(reward_id="R2", cycle=1, allocation=IMMEDIATE, achieved_at=at("1 Jan")),
        Issuance(reward_id="R2", issued_at=at("1 Jan")),
        Issuance(reward_id="R3", issued_at=at("2 Jan")),
    ]
    account = NOBODY
    for fact in facts:
        account = account.with_fact(fact)
    assert [*account.enrollments, *account.leaves, *account.rewards] == facts[:6]
    assert account.issuances == {"R2": at("1 Jan"), "R3": at("2 Jan")}
    assert account.reward("R2") is facts[5]
    assert account.reward("R3") is None
    assert account.size == len(facts)


def test_an_enrollment_is_explicit_and_carries_on_unless_it_says_otherwise() -> None:
    event = CustomerEnrolled(key=key(), customer_id=1, group_id=11, target_id=21, enrolled_at=at("1 Jan"))
    for fact in (event, Enrollment(key=key(), enrolled_at=at("1 Jan"))):
        assert (fact.origin, fact.reset_streak_status, fact.initial_balance) == (EnrollmentOrigin.EXPLICIT, False, None)
