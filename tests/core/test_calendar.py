"""Cycles, and which of them fall (rules.md section 1)."""

from datetime import datetime, timedelta, timezone

import pytest

from core.campaigns import MONTHS, at
from unenroll.core.calendar import Calendar, Cycle, InvalidCalendarError

WITH_A_GAP = Calendar.from_periods([("later", at("1 Mar"), at("1 Apr")), ("earlier", at("1 Jan"), at("1 Feb"))])


@pytest.mark.parametrize(
    ("effective", "first_to_fall", "containing"),
    [
        ("31 Dec 00:00", None, None),
        ("1 Jan", "c1", "c1"),
        ("31 Jan 23:59:59.999999", "c1", "c1"),
        ("1 Feb", "c2", "c2"),
        ("31 May 23:59:59.999999", "c5", "c5"),
        ("1 Jun", None, None),
    ],
)
def test_a_boundary_belongs_to_the_later_cycle(
    effective: str, first_to_fall: str | None, containing: str | None
) -> None:
    first, at_instant = MONTHS.cycle_at_or_after(at(effective)), MONTHS.cycle_at(at(effective))
    assert (first and first.name, at_instant and at_instant.name) == (first_to_fall, containing)


@pytest.mark.parametrize(
    ("effective", "first_to_fall", "containing"),
    [
        (at("1 Jan") - timedelta(microseconds=1), "earlier", None),
        (at("31 Jan 23:59:59.999999"), "earlier", "earlier"),
        (at("1 Feb"), "later", None),
        (at("28 Feb 23:59:59.999999"), "later", None),
        (at("1 Mar"), "later", "later"),
        (at("1 Apr"), None, None),
    ],
)
def test_in_a_gap_the_next_cycle_falls(effective: datetime, first_to_fall: str | None, containing: str | None) -> None:
    first, at_instant = WITH_A_GAP.cycle_at_or_after(effective), WITH_A_GAP.cycle_at(effective)
    assert (first and first.name, at_instant and at_instant.name) == (first_to_fall, containing)


def test_the_offset_of_an_instant_does_not_matter() -> None:
    midnight_in_kolkata = at("1 Feb").replace(tzinfo=timezone(timedelta(hours=5, minutes=30)))
    at_instant = MONTHS.cycle_at(midnight_in_kolkata)
    assert at_instant is not None
    assert at_instant.name == "c1"


def test_without_cycles_nothing_is_left() -> None:
    assert Calendar(()).cycle_at_or_after(at("1 Jan")) is None
    assert Calendar(()).cycle_at(at("1 Jan")) is None


def test_cycles_are_numbered_by_their_start() -> None:
    assert [(cycle.number, cycle.name) for cycle in WITH_A_GAP.cycles] == [(1, "earlier"), (2, "later")]
    assert WITH_A_GAP.cycle_named("later") is WITH_A_GAP.cycle_numbered(2)
    assert WITH_A_GAP.cycle_named("never") is None


def test_an_achievement_is_moved_into_its_cycle() -> None:
    march = MONTHS.cycle_numbered(3)
    assert march.clamp(at("28 Feb")) == at("1 Mar")
    assert march.clamp(at("1 Mar")) == at("1 Mar")
    assert march.clamp(at("10 Mar")) == at("10 Mar")
    assert march.clamp(at("1 Apr")) == at("31 Mar 23:59:59.999999")
    assert march.clamp(at("1 Jul")) == at("31 Mar 23:59:59.999999")


@pytest.mark.parametrize(
    ("cycles", "complaint"),
    [
        ([("a", at("2 Jan"), at("2 Jan"))], "cycle a ends at or before its start"),
        ([("a", at("1 Jan"), at("3 Jan")), ("b", at("2 Jan"), at("4 Jan"))], "cycle b starts before a ends"),
        ([("a", at("1 Jan"), at("2 Jan")), ("a", at("2 Jan"), at("3 Jan"))], "two cycles have the name a"),
        ([("a", datetime(2026, 1, 1), at("2 Jan"))], "start of a 2026-01-01T00:00:00 has no offset"),  # noqa: DTZ001 - naive on purpose
        ([("a", at("1 Jan"), datetime(2026, 1, 2))], "end of a 2026-01-02T00:00:00 has no offset"),  # noqa: DTZ001 - naive on purpose
    ],
)
def test_a_calendar_that_cannot_be_is_refused(cycles: list[tuple[str, datetime, datetime]], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Calendar.from_periods(cycles)


def test_a_cycle_with_another_number_than_its_place_is_refused() -> None:
    second = Cycle(number=2, name="b", start=at("1 Jan"), end=at("2 Jan"))
    with pytest.raises(InvalidCalendarError, match="cycle b has number 2, expected 1"):
        Calendar((second,))
