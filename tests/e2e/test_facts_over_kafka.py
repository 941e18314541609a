"""Facts that come late, early or twice, over the topic `facts`, while the real worker runs.

Everybody's story is told in three rounds, with a worker run after each: what is known at first, then who leaves, then
what comes late. The stories are told in one place, each of a customer of its own.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from support.deployment import Deployment
from support.events import (
    ENROLLED,
    day,
    enrollment_data,
    immediate,
    issued,
    leave,
    level,
    lines_of_customer,
    period_end,
    sentence,
)
from support.topics import OUTPUTS, ConsumedRecord

FIRST_CUSTOMER = 8_001


@dataclass(frozen=True, kw_only=True)
class Story:
    """What is told of a customer in each round, and what is published of it."""

    first: list[dict[str, Any]]
    leaves: list[dict[str, Any]]
    late: list[dict[str, Any]]
    published: list[str]


A3 = [
    period_end("R1", "c1", "10 01"),
    immediate("R2", "c2", "10 02"),
    period_end("R3", "c3", "05 03"),
    immediate("R4", "c3", "06 03"),
]
S1 = [enrollment_data("01 01", target=22), level("L4", 4, "d4", "04 01 10:00"), level("L8", 8, "d8", "08 01 10:00")]

STORIES = {
    "a reward that arrives after the leave is published as cancelled at once": Story(
        first=[ENROLLED],
        leaves=[leave("15 03")],
        late=A3,
        published=["UserUnenrolled #1 leave 15 03: c3-c5", "RewardCancelled R3 #1 leave 15 03: PERIOD_END_LOST VOID"],
    ),
    "A6: a leave that is effective earlier moves the cut and supersedes": Story(
        first=[ENROLLED, *A3],
        leaves=[leave("15 03")],
        late=[leave("05 02")],
        published=[
            "UserUnenrolled #1 leave 15 03: c3-c5",
            "UserUnenrolled #2 leave 05 02: c2-c5, supersedes leave 15 03",
            "RewardCancelled R3 #1 leave 15 03: PERIOD_END_LOST VOID",
            "RewardCancelled R2 #1 leave 05 02: AFTER_UNENROLLMENT REVERSE",
            "RewardCancelled R4 #1 leave 05 02: AFTER_UNENROLLMENT REVERSE",
        ],
    ),
    "A7: late rewards are judged by when they were achieved": Story(
        first=[ENROLLED, period_end("R1", "c1", "10 01")],
        leaves=[leave("15 01")],
        late=[immediate("R9", "c1", "14 01"), immediate("R10", "c1", "16 01")],
        published=[
            "UserUnenrolled #1 leave 15 01: c1-c5",
            "RewardCancelled R1 #1 leave 15 01: PERIOD_END_LOST VOID",
            "RewardCancelled R10 #1 leave 15 01: AFTER_UNENROLLMENT REVERSE",
        ],
    ),
    "A10: who carries on before the cycle ends gets the reward back, and hears which leave had cost it": Story(
        first=[ENROLLED, period_end("R3", "c3", "05 03")],
        leaves=[leave("15 03"), leave("12 03")],
        late=[enrollment_data("15 03 00:01", periodName="c3")],
        published=[
            "UserUnenrolled #1 leave 15 03: c3-c5",
            "UserUnenrolled #2 leave 12 03: c3-c5, supersedes leave 15 03",
            "RewardCancelled R3 #1 leave 15 03: PERIOD_END_LOST VOID",
            "RewardReinstated R3 #2 leave 15 03: CARRIED_ON",
        ],
    ),
    "A10: who starts over does not": Story(
        first=[ENROLLED, period_end("R3", "c3", "05 03")],
        leaves=[leave("15 03")],
        late=[enrollment_data("15 03 00:01", periodName="c3", initialBalance=0)],
        published=["UserUnenrolled #1 leave 15 03: c3-c5", "RewardCancelled R3 #1 leave 15 03: PERIOD_END_LOST VOID"],
    ),
    "A11: what was earned before cannot be earned again by carrying on": Story(
        first=[ENROLLED, immediate("R4", "c3", "06 03")],
        leaves=[leave("15 03")],
        late=[enrollment_data("20 03", periodName="c3"), immediate("R6", "c3", "25 03")],
        published=[
            "UserUnenrolled #1 leave 15 03: c3-c5",
            "RewardCancelled R6 #1 leave 15 03: ALREADY_ACHIEVED REVERSE",
        ],
    ),
    "S3: a level that was kept before cannot be reached again, the next one can": Story(
        first=S1,
        leaves=[leave("13 01 12:00", target=22)],
        late=[
            enrollment_data("15 01", target=22),
            level("L4 again", 4, "d18", "18 01 10:00"),
            level("L12", 12, "d20", "20 01 10:00"),
        ],
        published=[
            "UserUnenrolled #1 leave 13 01 12:00: d13-d30",
            "RewardCancelled L4 again #1 leave 13 01 12:00: ALREADY_ACHIEVED REVERSE",
        ],
    ),
    "S2: a streak that starts over reaches its levels again": Story(
        first=S1,
        leaves=[leave("13 01 12:00", target=22)],
        late=[enrollment_data("15 01", target=22, resetStreakStatus=True), level("L4 again", 4, "d18", "18 01 10:00")],
        published=["UserUnenrolled #1 leave 13 01 12:00: d13-d30"],
    ),
    "a voided reward that turns out to be paid is cancelled again, to be reversed": Story(
        first=[ENROLLED, period_end("R3", "c3", "05 03")],
        leaves=[leave("15 03")],
        late=[issued("R3", "16 03"), issued("R3", "17 03")],
        published=[
            "UserUnenrolled #1 leave 15 03: c3-c5",
            "RewardCancelled R3 #1 leave 15 03: PERIOD_END_LOST VOID",
            "RewardCancelled R3 #2 leave 15 03: PERIOD_END_LOST REVERSE",
        ],
    ),
    "a reward that is told again with the time at which it was paid is reversed too": Story(
        first=[ENROLLED, period_end("R3", "c3", "05 03")],
        leaves=[leave("15 03")],
        late=[{**period_end("R3", "c3", "05 03", issuedAt=day("16 03")), "id": "R3 once more"}],
        published=[
            "UserUnenrolled #1 leave 15 03: c3-c5",
            "RewardCancelled R3 #1 leave 15 03: PERIOD_END_LOST VOID",
            "RewardCancelled R3 #2 leave 15 03: PERIOD_END_LOST REVERSE",
        ],
    ),
    "a reward that was paid before it was told is reversed at once": Story(
        first=[ENROLLED, issued("R3", "16 03")],
        leaves=[leave("15 03")],
        late=[period_end("R3", "c3", "05 03")],
        published=[
            "UserUnenrolled #1 leave 15 03: c3-c5",
            "RewardCancelled R3 #1 leave 15 03: PERIOD_END_LOST REVERSE",
        ],
    ),
    "a leave takes effect once its enrollment arrives": Story(
        first=[],
        leaves=[leave("15 03")],
        late=[ENROLLED],
        published=["UserUnenrolled #1 leave 15 03: c3-c5", "UnenrollRejected leave 15 03: NOT_ENROLLED"],
    ),
    "leaving is sticky: an automatic enrollment does not bring the customer back": Story(
        first=[ENROLLED],
        leaves=[leave("15 03")],
        late=[enrollment_data("20 03", origin="AUTOMATIC"), immediate("R7", "c3", "25 03"), leave("28 03")],
        published=[
            "UserUnenrolled #1 leave 15 03: c3-c5",
            "UnenrollRejected leave 28 03: ALREADY_UNENROLLED",
            "RewardCancelled R7 #1 leave 15 03: AFTER_UNENROLLMENT REVERSE",
        ],
    ),
    "an explicit enrollment does": Story(
        first=[ENROLLED],
        leaves=[leave("15 03")],
        late=[enrollment_data("20 03", periodName="c3"), immediate("R7", "c3", "25 03")],
        published=["UserUnenrolled #1 leave 15 03: c3-c5"],
    ),
    "a fact that is told twice counts once": Story(
        first=[ENROLLED, ENROLLED, period_end("R3", "c3", "05 03"), period_end("R3", "c3", "05 03")],
        leaves=[leave("15 03"), leave("15 03")],
        late=[ENROLLED, period_end("R3", "c3", "05 03"), leave("15 03")],
        published=["UserUnenrolled #1 leave 15 03: c3-c5", "RewardCancelled R3 #1 leave 15 03: PERIOD_END_LOST VOID"],
    ),
}

STORY_OF = {name: FIRST_CUSTOMER + number for number, name in enumerate(STORIES)}


@pytest.fixture(scope="module")
def told(shared_deployment: Deployment) -> Deployment:
    """All stories told to their end."""
    shared_deployment.publish(
        text for name, story in STORIES.items() for text in lines_of_customer(STORY_OF[name], story.first)
    )
    shared_deployment.catch_up()
    shared_deployment.publish(
        text for name, story in STORIES.items() for text in lines_of_customer(STORY_OF[name], story.leaves)
    )
    shared_deployment.catch_up()
    shared_deployment.publish(
        text for name, story in STORIES.items() for text in lines_of_customer(STORY_OF[name], story.late)
    )
    shared_deployment.catch_up()
    return shared_deployment


@pytest.fixture(scope="module")
def seen(told: Deployment) -> list[ConsumedRecord]:
    """What is visible once all is told."""
    return told.consume()


@pytest.mark.parametrize("name", STORIES)
def test_late_and_early_facts(seen: list[ConsumedRecord], name: str) -> None:
    heard = [record for record in seen if record.key == str(STORY_OF[name]).encode()]
    chronological = sorted(heard, key=lambda record: OUTPUTS.index(record.topic.rsplit(".", 1)[1]))
    assert [sentence(record) for record in chronological] == STORIES[name].published


async def test_reading_all_of_it_again_changes_and_publishes_nothing(
    told: Deployment, seen: list[ConsumedRecord]
) -> None:
    tables = "select (select count(*) from ledger) as events, (select sum(decisions) from accounts) as decisions"
    before = await told.rows(tables)
    told.reset_offsets()
    assert '"duplicate": ' in told.catch_up()
    assert sorted(told.consume(), key=str) == sorted(seen, key=str)
    assert await told.rows(tables) == before
