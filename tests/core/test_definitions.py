"""Definitions are append-only (rules.md section 4)."""

from dataclasses import replace

import pytest

from core.campaigns import ABC, DAYS, DEFINITIONS, EVERYBODY, MONTHS, XYZ, at, group
from unenroll.core.calendar import Calendar
from unenroll.core.definitions import (
    AcceptedDefinition,
    EnrollmentMode,
    IgnoredDefinition,
    RefusedDefinition,
    Target,
    TargetGroup,
    TargetKind,
    check_definition,
)

OLD = group(11, MONTHS, ABC, XYZ, version=3)
NEXT = replace(OLD, version=4)


def retargeted(streak: Target) -> TargetGroup:
    return replace(NEXT, targets={21: ABC, 22: streak})


def rescheduled(*cycles: tuple[str, str, str]) -> TargetGroup:
    return replace(NEXT, calendar=Calendar.from_periods((name, at(start), at(end)) for name, start, end in cycles))


JAN, FEB = ("c1", "1 Jan", "1 Feb"), ("c2", "1 Feb", "1 Mar")
MAR, APR, MAY = ("c3", "1 Mar", "1 Apr"), ("c4", "1 Apr", "1 May"), ("c5", "1 May", "1 Jun")


def test_the_first_version_is_accepted() -> None:
    assert check_definition(None, OLD) == AcceptedDefinition()


@pytest.mark.parametrize(
    "new",
    [
        NEXT,
        rescheduled(JAN, FEB, MAR, APR, MAY, ("c6", "1 Jun", "1 Jul"), ("c7", "10 Jul", "1 Aug")),
        replace(NEXT, targets={21: ABC, 22: XYZ, 23: EVERYBODY}),
        replace(NEXT, name="Spring"),
        retargeted(replace(XYZ, name="Run")),
        replace(NEXT, active=False),
        retargeted(replace(XYZ, active=False)),
        replace(NEXT, time_zone="Asia/Kolkata"),
        replace(NEXT, version=99),
    ],
)
def test_what_only_adds_is_accepted(new: TargetGroup) -> None:
    assert check_definition(OLD, new) == AcceptedDefinition()


def test_the_same_again_and_older_versions_are_ignored() -> None:
    assert check_definition(OLD, group(11, Calendar(MONTHS.cycles), ABC, XYZ, version=3)) == IgnoredDefinition()
    assert check_definition(OLD, replace(OLD, version=2)) == IgnoredDefinition()
    assert check_definition(OLD, replace(OLD, version=2, targets={})) == IgnoredDefinition()


def test_the_same_version_with_another_content_is_refused() -> None:
    refused = check_definition(OLD, replace(OLD, name="Spring"))
    assert refused == RefusedDefinition(detail="Group 11 already has a version 3 with different content.")


@pytest.mark.parametrize(
    ("new", "what"),
    [
        (rescheduled(JAN, FEB, MAR, APR), "removes or renames cycle c5"),
        (rescheduled(JAN, FEB, MAR, APR, ("may", "1 May", "1 Jun")), "removes or renames cycle c5"),
        (rescheduled(JAN, FEB, MAR, APR, ("c5", "1 May", "2 Jun")), "moves cycle c5 or inserts a cycle before it"),
        (
            rescheduled(JAN, FEB, MAR, APR, ("c5", "2 May", "1 Jun"), ("extra", "1 May", "2 May")),
            "moves cycle c5 or inserts a cycle before it",
        ),
        (replace(NEXT, targets={21: ABC}), "removes target 22"),
        (retargeted(replace(XYZ, kind=TargetKind.MILESTONE)), "changes the kind of target 22"),
        (retargeted(replace(XYZ, levels=(4, 8))), "changes the levels of target 22"),
        (retargeted(replace(XYZ, levels=(4, 8, 12, 16))), "changes the levels of target 22"),
        (retargeted(replace(XYZ, enrollment=EnrollmentMode.AUTOMATIC)), "changes the enrollment of target 22"),
    ],
)
def test_what_takes_back_is_refused(new: TargetGroup, what: str) -> None:
    assert check_definition(OLD, new) == RefusedDefinition(detail=f"Version 4 of group 11 {what}.")


@pytest.mark.parametrize(("start", "end"), [("1 Jan", "2 Jan"), ("5 Jan", "6 Jan")])
def test_a_cycle_before_the_last_is_refused(start: str, end: str) -> None:
    known = [("a", at("3 Jan"), at("4 Jan")), ("b", at("7 Jan"), at("8 Jan"))]
    longer = [*known, ("late", at(start), at(end))]
    verdict = check_definition(
        group(1, Calendar.from_periods(known)), group(1, Calendar.from_periods(longer), version=2)
    )
    assert isinstance(verdict, RefusedDefinition)
    assert verdict.detail.endswith(" or inserts a cycle before it.")


def test_a_target_is_that_of_the_group_that_defined_it_first() -> None:
    assert DEFINITIONS.target(22) is XYZ
    assert DEFINITIONS.owner(22) is DEFINITIONS.groups[12]
    assert DEFINITIONS.groups[12].calendar is DAYS
    assert DEFINITIONS.target(99) is None
    assert DEFINITIONS.owner(99) is None
