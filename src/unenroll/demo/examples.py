"""The worked examples: each row of the tables of rules.md section 6 with its events and their expected results.

The demo loads all facts before the worker reads the first leave, also those that the rules call late: the final result
is the same. `UserUnenrolled` lists the cycles up to the beginning of a later stay that is known by then.
"""

from unenroll.core.outcomes import Outcome
from unenroll.core.standings import RewardAction, Rule
from unenroll.demo.compare import cancelled_text, kept_text, outcome_text
from unenroll.demo.notation import ABC, XYZ, Chapter, Example, enrolled, leave, reward

K2 = kept_text(Rule.ENROLLED)
K3 = kept_text(Rule.CYCLE_FINISHED)
K5 = kept_text(Rule.ACHIEVED_BEFORE_UNENROLLMENT)
K6 = kept_text(Rule.CARRIED_ON)
C4_VOID = cancelled_text(Rule.AFTER_UNENROLLMENT, RewardAction.VOID)
C4_REVERSE = cancelled_text(Rule.AFTER_UNENROLLMENT, RewardAction.REVERSE)
C7_VOID = cancelled_text(Rule.PERIOD_END_LOST, RewardAction.VOID)
ALREADY_ACHIEVED_REVERSE = cancelled_text(Rule.ALREADY_ACHIEVED, RewardAction.REVERSE)

UNENROLLED = outcome_text(Outcome.UNENROLLED)
ALREADY_UNENROLLED = outcome_text(Outcome.ALREADY_UNENROLLED)
NOTHING_LEFT = outcome_text(Outcome.NOTHING_LEFT)

VOID = "RewardCancelled VOID"
REVERSE = "RewardCancelled REVERSE"

L4 = reward("L4 d4 IMMEDIATE 4 Jan 10:00", K3, level=4)
L8 = reward("L8 d8 IMMEDIATE 8 Jan 10:00", K3, level=8)

MILESTONE = (
    Example(
        name="A1",
        customer_id=101,
        events=(
            reward("R1 c1 IMMEDIATE 10 Jan", K5),
            leave("15 Jan", UNENROLLED, "UserUnenrolled c1-c5"),
        ),
    ),
    Example(
        name="A2",
        customer_id=102,
        events=(
            reward("R1 c1 PERIOD_END 10 Jan", C7_VOID, VOID),
            leave("15 Jan", UNENROLLED, "UserUnenrolled c1-c5"),
        ),
    ),
    Example(
        name="A3",
        customer_id=103,
        events=(
            reward("R1 c1 PERIOD_END 10 Jan", K3),
            reward("R2 c2 IMMEDIATE 10 Feb", K3),
            reward("R3 c3 PERIOD_END 5 Mar", C7_VOID, VOID),
            reward("R4 c3 IMMEDIATE 6 Mar", K5),
            leave("15 Mar", UNENROLLED, "UserUnenrolled c3-c5"),
        ),
    ),
    Example(
        name="A4",
        customer_id=104,
        events=(
            reward("R1 c2 PERIOD_END 10 Feb", K3),
            leave("1 Mar 00:00:00", UNENROLLED, "UserUnenrolled c3-c5"),
        ),
    ),
    Example(
        name="A5",
        customer_id=105,
        events=(
            reward("R1 c2 PERIOD_END 10 Feb", C7_VOID, VOID),
            leave("28 Feb 23:59:59.999", UNENROLLED, "UserUnenrolled c2-c5"),
        ),
    ),
    Example(
        name="A6",
        customer_id=106,
        events=(
            reward("R1 c1 PERIOD_END 10 Jan", K3),
            reward("R2 c2 IMMEDIATE 10 Feb", C4_REVERSE, REVERSE),
            reward("R3 c3 PERIOD_END 5 Mar", C4_VOID, VOID),
            reward("R4 c3 IMMEDIATE 6 Mar", C4_REVERSE, REVERSE),
            leave("15 Mar", ALREADY_UNENROLLED, "UserUnenrolled c3-c5"),
            leave("5 Feb", UNENROLLED, "UserUnenrolled c2-c5, supersedes leave 15 Mar"),
        ),
    ),
    Example(
        name="A7",
        customer_id=107,
        events=(
            reward("R1 c1 PERIOD_END 10 Jan", C7_VOID, VOID),
            reward("R9 c1 IMMEDIATE 14 Jan", K5),
            reward("R10 c1 IMMEDIATE 16 Jan", C4_REVERSE, REVERSE),
            leave("15 Jan", UNENROLLED, "UserUnenrolled c1-c5"),
        ),
    ),
    Example(
        name="A8",
        customer_id=108,
        events=(leave("1 Jun", NOTHING_LEFT, "UnenrollRejected NOTHING_LEFT 310019"),),
    ),
    Example(
        name="A9",
        customer_id=109,
        events=(
            enrolled("1 Apr from c4"),
            reward("R5 c4 PERIOD_END 10 Apr", K2),
            leave("15 Mar", UNENROLLED, "UserUnenrolled c3"),
            leave("20 Mar", ALREADY_UNENROLLED, "UnenrollRejected ALREADY_UNENROLLED"),
        ),
    ),
    Example(
        name="A10",
        customer_id=110,
        events=(
            reward("R3 c3 PERIOD_END 5 Mar", K6),
            enrolled("15 Mar 00:01 from c3"),
            leave("15 Mar 00:00", UNENROLLED, "UserUnenrolled, no cycle falls"),
        ),
    ),
    Example(
        name="A10 starting over",
        customer_id=310,
        events=(
            reward("R3 c3 PERIOD_END 5 Mar", C7_VOID, VOID),
            enrolled("15 Mar 00:01 from c3", initialBalance=0),
            leave("15 Mar 00:00", UNENROLLED, "UserUnenrolled, no cycle falls"),
        ),
    ),
    Example(
        name="A11",
        customer_id=111,
        events=(
            reward("R4 c3 IMMEDIATE 6 Mar", K5),
            enrolled("20 Mar from c3"),
            reward("R6 c3 IMMEDIATE 25 Mar", ALREADY_ACHIEVED_REVERSE, REVERSE),
            leave("15 Mar", UNENROLLED, "UserUnenrolled, no cycle falls"),
        ),
    ),
    Example(
        name="A11 starting over",
        customer_id=311,
        events=(
            reward("R4 c3 IMMEDIATE 6 Mar", K5),
            enrolled("20 Mar from c3", initialBalance=0),
            reward("R6 c3 IMMEDIATE 25 Mar", K2),
            leave("15 Mar", UNENROLLED, "UserUnenrolled, no cycle falls"),
        ),
    ),
    Example(
        name="A12",
        customer_id=112,
        events=(
            enrolled("20 Mar from c4"),
            reward("R7 c3 IMMEDIATE 25 Mar", C4_REVERSE, REVERSE),
            leave("15 Mar", UNENROLLED, "UserUnenrolled c3"),
        ),
    ),
)

STREAK = (
    Example(
        name="S1",
        customer_id=201,
        events=(L4, L8, leave("13 Jan 12:00", UNENROLLED, "UserUnenrolled d13-d30")),
    ),
    Example(
        name="S2",
        customer_id=202,
        events=(
            *(L4, L8),
            enrolled("15 Jan", resetStreakStatus=True),
            reward("L4-again d18 IMMEDIATE 18 Jan", K2, level=4),
            leave("13 Jan 12:00", UNENROLLED, "UserUnenrolled d13-d14"),
        ),
    ),
    Example(
        name="S3",
        customer_id=203,
        events=(
            *(L4, L8),
            enrolled("15 Jan"),
            reward("L4-again d18 IMMEDIATE 18 Jan", ALREADY_ACHIEVED_REVERSE, REVERSE, level=4),
            reward("L12 d20 IMMEDIATE 20 Jan", K2, level=12),
            leave("13 Jan 12:00", UNENROLLED, "UserUnenrolled d13-d14"),
        ),
    ),
    Example(
        name="S4",
        customer_id=204,
        events=(
            reward("L8 d8 IMMEDIATE 8 Jan 10:00", K5, level=8),
            leave("8 Jan 12:00", UNENROLLED, "UserUnenrolled d8-d30"),
        ),
    ),
)

CHAPTERS = (Chapter(campaign=ABC, examples=MILESTONE), Chapter(campaign=XYZ, examples=STREAK))
