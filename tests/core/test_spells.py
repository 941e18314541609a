"""Examples of spells (rules.md section 2), beside the properties."""

import pytest

from core.campaigns import ABC, EVERYBODY, MONTHS, XYZ, Scenario, at, enrolled, key, leave
from unenroll.core.definitions import Target
from unenroll.core.events import CustomerEnrolled, EnrollmentOrigin, Event
from unenroll.core.facts import Account, Enrollment, Leave
from unenroll.core.outcomes import EnrollmentOutcome, Outcome
from unenroll.core.settle import awaits_cycles
from unenroll.core.spells import Spell, chronological, spell_history


def outcomes(*events: Event, scenario: Scenario | None = None) -> list[str]:
    """The outcome of each enrollment and leave, in the order of the events."""
    settlement = (scenario or Scenario()).apply_all(events).settlement
    results = {key: result.outcome.value for key, result in settlement.leaves.items()}
    results |= {key: result.outcome.value for key, result in settlement.enrollments.items()}
    return [results[event.key] for event in events]


def spells(*events: Event) -> tuple[Spell, ...]:
    return Scenario().apply_all(events).settlement.spells


def test_facts_are_sorted_by_time_then_leaves_first_then_by_id_then_by_source() -> None:
    noon = at("15 Mar 12:00")
    early = Enrollment(key=key("z"), enrolled_at=at("1 Jan"))
    leaves = [
        Leave(key=key(name, source), effective_at=noon) for name, source in [("B", "/z"), ("a", "/a"), ("a", "/b")]
    ]
    enrollments = [Enrollment(key=key(name), enrolled_at=noon) for name in ("A", "é")]
    account = Account(
        customer_id=1, target_id=21, enrollments=(*reversed(enrollments), early), leaves=tuple(reversed(leaves))
    )
    assert chronological(account) == [early, *leaves, *enrollments]


def test_leave_and_come_back_in_one_second() -> None:
    assert outcomes(enrolled("1 Jan"), enrolled("15 Mar"), leave("15 Mar")) == ["OPENED", "OPENED", "UNENROLLED"]


@pytest.mark.parametrize(
    ("enrollment", "first_cycle"),
    [
        (enrolled("10 Feb"), 2),
        (enrolled("1 Feb"), 2),
        (enrolled("10 Feb", from_="c4"), 4),
        (enrolled("10 Feb", from_="c1"), 1),
        (enrolled("1 Jul", from_="c5"), 5),
    ],
)
def test_a_spell_starts_from_the_cycle_named_or_else_from_the_one_of_its_time(
    enrollment: CustomerEnrolled, first_cycle: int
) -> None:
    assert spells(enrollment) == (
        Spell(first_cycle=first_cycle, opened_at=enrollment.enrolled_at, enrollment=enrollment.key, run=1),
    )


def test_an_enrollment_after_the_last_cycle_opens_nothing_and_waits() -> None:
    decided = Scenario().apply_all([late := enrolled("1 Jun")])
    assert decided.settlement.enrollments[late.key].outcome is EnrollmentOutcome.NO_CYCLE_LEFT
    assert decided.settlement.spells == ()
    assert awaits_cycles(decided.settlement)


def test_a_leave_after_the_last_cycle_waits_and_leaves_the_customer_in() -> None:
    scenario = Scenario()
    assert outcomes(enrolled("1 Jan"), leave("1 Jun"), enrolled("2 Jun"), scenario=scenario) == [
        "OPENED",
        "NOTHING_LEFT",
        "ALREADY_ENROLLED",
    ]
    assert awaits_cycles(scenario.apply_all([leave("2 Jun")]).settlement)


def test_who_is_in_or_has_left_waits_for_nothing() -> None:
    assert not awaits_cycles(Scenario().apply_all([enrolled("1 Jan")]).settlement)
    assert not awaits_cycles(Scenario().apply_all([enrolled("1 Jan"), leave("15 Mar"), leave("1 Jun")]).settlement)


def test_leaving_before_the_first_cycle_of_the_spell_drops_from_there() -> None:
    (spell,) = spells(enrolled("1 Jan", from_="c5"), leave("15 Mar"))
    assert (spell.closed_at, spell.closed_by, spell.first_dropped) == (at("15 Mar"), key("leave 15 Mar"), 5)


def test_a_leave_names_the_one_that_ended_the_last_spell() -> None:
    events: list[Event] = [enrolled("1 Jan"), leave("15 Jan"), enrolled("1 Feb"), leave("15 Feb"), leave("1 Mar")]
    settlement = Scenario().apply_all(events).settlement
    late = settlement.leaves[key("leave 1 Mar")]
    assert (late.outcome, late.ended_by) == (Outcome.ALREADY_UNENROLLED, key("leave 15 Feb"))
    early = settlement.leaves[key("leave 15 Jan")]
    assert (early.outcome, early.spell, early.first_dropped, early.ended_by) == (Outcome.UNENROLLED, 0, 1, None)


def test_leaving_is_sticky_until_somebody_enrolls_the_customer() -> None:
    automatic = enrolled("1 Feb", origin=EnrollmentOrigin.AUTOMATIC)
    assert outcomes(enrolled("1 Jan"), leave("15 Jan"), automatic, enrolled("2 Feb")) == [
        "OPENED",
        "UNENROLLED",
        "LEAVING_IS_STICKY",
        "OPENED",
    ]


def test_an_automatic_enrollment_opens_a_spell_where_no_leave_ended_one() -> None:
    automatic = enrolled("1 Feb", origin=EnrollmentOrigin.AUTOMATIC)
    assert outcomes(leave("15 Jan"), automatic, enrolled("2 Feb", origin=EnrollmentOrigin.AUTOMATIC)) == [
        "NOT_ENROLLED",
        "OPENED",
        "ALREADY_ENROLLED",
    ]


def test_everybody_is_in_an_automatic_target_before_any_fact() -> None:
    start = Spell(first_cycle=1, opened_at=None, enrollment=None, run=1)
    assert spells(enrolled("1 Jan", target=EVERYBODY, balance=0)) == (start,)
    events: list[Event] = [enrolled("15 Feb", target=EVERYBODY), leave("1 Jan", target=EVERYBODY)]
    first, second = spells(*events)
    assert (first.opened_at, first.first_dropped, second.opened_at) == (None, 1, at("15 Feb"))


@pytest.mark.parametrize(
    ("target", "balance", "reset", "runs"),
    [
        (ABC, None, False, [1, 1, 1]),
        (ABC, 0, False, [1, 2, 2]),
        (ABC, None, True, [1, 1, 1]),
        (XYZ, None, True, [1, 2, 2]),
        (XYZ, 0, False, [1, 1, 1]),
    ],
)
def test_a_streak_starts_over_by_its_reset_and_a_milestone_by_its_balance(
    target: Target, balance: int | None, reset: bool, runs: list[int]
) -> None:
    found = spells(
        enrolled("1 Jan", target=target, balance=7, reset=True),
        leave("5 Jan", target=target),
        enrolled("7 Jan", target=target, balance=balance, reset=reset),
        leave("9 Jan", target=target),
        enrolled("11 Jan", target=target),
    )
    assert [spell.run for spell in found] == runs


def test_an_ignored_enrollment_does_not_start_over() -> None:
    first, second = spells(enrolled("1 Jan"), enrolled("5 Jan", balance=0), leave("10 Jan"), enrolled("15 Jan"))
    assert (first.run, second.run) == (1, 1)


def test_a_fact_that_is_there_twice_counts_once() -> None:
    goes = Leave(key=key("goes"), effective_at=at("15 Mar"))
    comes = Enrollment(key=key("comes"), enrolled_at=at("1 Jan"))
    once = Account(customer_id=1, target_id=21, enrollments=(comes,), leaves=(goes,))
    twice = Account(customer_id=1, target_id=21, enrollments=(comes, comes), leaves=(goes, goes))
    assert spell_history(twice, ABC, MONTHS) == spell_history(once, ABC, MONTHS)
