"""The tables of rules.md section 6, row by row, in the given order of arrival and in others."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from core.campaigns import (
    IMMEDIATE,
    PERIOD_END,
    XYZ,
    Scenario,
    enrolled,
    leave,
    reward,
)
from unenroll.core.changes import Unenrollment
from unenroll.core.events import CustomerEnrolled, Event
from unenroll.core.standings import Rule, Standing

ROWS = {
    Rule.NO_SPELL: "K 1",
    Rule.ENROLLED: "K 2",
    Rule.CYCLE_FINISHED: "K 3",
    Rule.AFTER_UNENROLLMENT: "C 4",
    Rule.ACHIEVED_BEFORE_UNENROLLMENT: "K 5",
    Rule.CARRIED_ON: "K 6",
    Rule.PERIOD_END_LOST: "C 7",
    Rule.ALREADY_ACHIEVED: "ALREADY_ACHIEVED",
}

ABC_FROM_C1 = enrolled("1 Jan", from_="c1")
XYZ_FROM_D1 = enrolled("1 Jan", from_="d1", target=XYZ)
A3: list[Event] = [
    reward("R1", "c1", PERIOD_END, "10 Jan"),
    reward("R2", "c2", IMMEDIATE, "10 Feb"),
    reward("R3", "c3", PERIOD_END, "5 Mar"),
    reward("R4", "c3", IMMEDIATE, "6 Mar"),
]
S1: list[Event] = [
    reward("L4", "d4", IMMEDIATE, "4 Jan 10:00", target=XYZ, level=4),
    reward("L8", "d8", IMMEDIATE, "8 Jan 10:00", target=XYZ, level=8),
    leave("13 Jan 12:00", target=XYZ),
]


@dataclass
class Row:
    """A row of the table. `falls`: the dropped cycles of the last `UserUnenrolled`, empty if there is none."""

    name: str
    events: Sequence[Event]
    falls: str
    stands: dict[str, str]
    enrollment: CustomerEnrolled = ABC_FROM_C1


MILESTONE = [
    Row("A1", [reward("R1", "c1", IMMEDIATE, "10 Jan"), leave("15 Jan")], "c1-c5", {"R1": "K 5"}),
    Row("A2", [reward("R1", "c1", PERIOD_END, "10 Jan"), leave("15 Jan")], "c1-c5", {"R1": "C 7 VOID"}),
    Row("A3", [*A3, leave("15 Mar")], "c3-c5", {"R1": "K 3", "R2": "K 3", "R3": "C 7 VOID", "R4": "K 5"}),
    Row("A4", [reward("R1", "c2", PERIOD_END, "10 Feb"), leave("1 Mar 00:00:00")], "c3-c5", {"R1": "K 3"}),
    Row("A5", [reward("R1", "c2", PERIOD_END, "10 Feb"), leave("28 Feb 23:59:59.999")], "c2-c5", {"R1": "C 7 VOID"}),
    Row(
        "A6",
        [*A3, leave("15 Mar"), leave("5 Feb")],
        "c2-c5",
        {"R1": "K 3", "R2": "C 4 REVERSE", "R3": "C 4 VOID", "R4": "C 4 REVERSE"},
    ),
    Row(
        "A7",
        [
            reward("R1", "c1", PERIOD_END, "10 Jan"),
            leave("15 Jan"),
            reward("R9", "c1", IMMEDIATE, "14 Jan"),
            reward("R10", "c1", IMMEDIATE, "16 Jan"),
        ],
        "c1-c5",
        {"R1": "C 7 VOID", "R9": "K 5", "R10": "C 4 REVERSE"},
    ),
    Row("A8", [leave("1 Jun")], "", {}),
    Row(
        "A9",
        [
            leave("15 Mar"),
            enrolled("1 Apr", from_="c4"),
            reward("R5", "c4", PERIOD_END, "10 Apr"),
            leave("20 Mar"),
        ],
        "c3-c5",
        {"R5": "K 2"},
    ),
    Row(
        "A10",
        [
            reward("R3", "c3", PERIOD_END, "5 Mar"),
            leave("15 Mar 00:00"),
            enrolled("15 Mar 00:01", from_="c3"),
        ],
        "c3-c5",
        {"R3": "K 6"},
    ),
    Row(
        "A10 starting over",
        [
            reward("R3", "c3", PERIOD_END, "5 Mar"),
            leave("15 Mar 00:00"),
            enrolled("15 Mar 00:01", from_="c3", balance=0),
        ],
        "c3-c5",
        {"R3": "C 7 VOID"},
    ),
    Row(
        "A11",
        [
            reward("R4", "c3", IMMEDIATE, "6 Mar"),
            leave("15 Mar"),
            enrolled("20 Mar", from_="c3"),
            reward("R6", "c3", IMMEDIATE, "25 Mar"),
        ],
        "c3-c5",
        {"R4": "K 5", "R6": "ALREADY_ACHIEVED REVERSE"},
    ),
    Row(
        "A11 starting over",
        [
            reward("R4", "c3", IMMEDIATE, "6 Mar"),
            leave("15 Mar"),
            enrolled("20 Mar", from_="c3", balance=0),
            reward("R6", "c3", IMMEDIATE, "25 Mar"),
        ],
        "c3-c5",
        {"R4": "K 5", "R6": "K 2"},
    ),
    Row(
        "A12",
        [
            leave("15 Mar"),
            enrolled("20 Mar", from_="c4"),
            reward("R7", "c3", IMMEDIATE, "25 Mar"),
        ],
        "c3-c5",
        {"R7": "C 4 REVERSE"},
    ),
]

STREAK = [
    Row("S1", S1, "d13-d30", {"L4": "K 3", "L8": "K 3"}, XYZ_FROM_D1),
    Row(
        "S2",
        [
            *S1,
            enrolled("15 Jan", target=XYZ, reset=True),
            reward("new L4", "d18", IMMEDIATE, "18 Jan", target=XYZ, level=4),
        ],
        "d13-d30",
        {"L4": "K 3", "L8": "K 3", "new L4": "K 2"},
        XYZ_FROM_D1,
    ),
    Row(
        "S3",
        [
            *S1,
            enrolled("15 Jan", target=XYZ),
            reward("new L4", "d18", IMMEDIATE, "18 Jan", target=XYZ, level=4),
            reward("L12", "d20", IMMEDIATE, "20 Jan", target=XYZ, level=12),
        ],
        "d13-d30",
        {"L4": "K 3", "L8": "K 3", "new L4": "ALREADY_ACHIEVED REVERSE", "L12": "K 2"},
        XYZ_FROM_D1,
    ),
    Row(
        "S4",
        [reward("L8", "d8", IMMEDIATE, "8 Jan 10:00", target=XYZ, level=8), leave("8 Jan 12:00", target=XYZ)],
        "d8-d30",
        {"L8": "K 5"},
        XYZ_FROM_D1,
    ),
]


def as_written(standing: Standing) -> str:
    return " ".join(filter(None, [ROWS[standing.rule], standing.action]))


@pytest.mark.parametrize("row", [*MILESTONE, *STREAK], ids=lambda row: row.name)
def test_the_table_says_what_falls_and_what_stands(row: Row) -> None:
    scenario = Scenario()
    settlement = scenario.apply_all([row.enrollment, *row.events]).settlement
    assert {reward_id: as_written(one) for reward_id, one in settlement.standings.items()} == row.stands
    left = [change.dropped_cycles for change in scenario.published if isinstance(change, Unenrollment)]
    assert (f"{left[-1].first}-{left[-1].last}" if left and left[-1] else "") == row.falls


@pytest.mark.parametrize("row", [*MILESTONE, *STREAK], ids=lambda row: row.name)
def test_the_table_ends_the_same_whatever_comes_last(row: Row) -> None:
    events = [row.enrollment, *row.events]
    for turn in range(len(events)):
        settlement = Scenario().apply_all([*events[turn:], *events[:turn]]).settlement
        assert {reward_id: as_written(one) for reward_id, one in settlement.standings.items()} == row.stands
