"""A bad fact becomes a dead letter with its reason, and touches nothing: not its own customer, nor the next record."""

import pytest

from support.deployment import Deployment
from support.events import ENROLLED, day, enrollment_data, immediate, level, line, lines_of_customer, period_end
from support.topics import ConsumedRecord

FIRST_CUSTOMER = 9_001
GOOD = immediate("good", "c1", "10 01")
BAD = {
    "the same source and id with another content": ({**GOOD, "data": {**GOOD["data"], "level": 3}}, "id_conflict"),
    "the same event at another time": ({**GOOD, "time": day("11 01")}, "id_conflict"),
    "the same rewardId with another content": ({**period_end("good", "c1", "10 01"), "id": "x"}, "reward_conflict"),
    "an enrollment in a group that nobody defined": (
        line("CustomerEnrolled", "x", "01 01", targetGroupId=99, enrolledAt=day("01 01")),
        "group_not_found",
    ),
    "an enrollment in a target that nobody defined": (
        line("CustomerEnrolled", "x", "01 01", target=99, targetGroupId=11, enrolledAt=day("01 01")),
        "target_not_found",
    ),
    "a payment of a target that nobody defined": (
        line("RewardIssued", "x", "01 01", target=99, rewardId="good", issuedAt=day("01 01")),
        "target_not_found",
    ),
    "a target of another group": (
        line("CustomerEnrolled", "x", "01 01", target=22, targetGroupId=11, enrolledAt=day("01 01")),
        "target_not_in_group",
    ),
    "a cycle that nobody defined": (immediate("bad", "c9", "10 01"), "period_not_found"),
    "a cycle of another group": (immediate("bad", "d1", "10 01"), "period_not_found"),
    "an enrollment from a cycle of another group": (
        enrollment_data("02 01", name="x", periodName="d1"),
        "period_not_found",
    ),
    "PERIOD_END on a streak": (
        {
            **level("bad", 4, "d4", "04 01"),
            "data": {**level("bad", 4, "d4", "04 01")["data"], "allocation": "PERIOD_END"},
        },
        "period_end_on_streak",
    ),
    "a reward of a streak without its level": (immediate("bad", "d4", "04 01", target=22), "level_missing"),
    "a level that the streak does not have": (level("bad", 5, "d4", "04 01"), "level_not_found"),
}
CUSTOMER_OF = {name: FIRST_CUSTOMER + number for number, name in enumerate(BAD)}


@pytest.fixture(scope="module")
def told(shared_deployment: Deployment) -> Deployment:
    """Each bad record amid good ones of its own customer."""
    shared_deployment.publish(
        text
        for name, (bad, _) in BAD.items()
        for text in lines_of_customer(CUSTOMER_OF[name], [ENROLLED, GOOD, bad, immediate("last", "c2", "10 02")])
    )
    shared_deployment.catch_up()
    return shared_deployment


@pytest.fixture(scope="module")
def seen(told: Deployment) -> list[ConsumedRecord]:
    """What is visible once all is told."""
    return told.consume()


@pytest.mark.parametrize("name", BAD)
async def test_bad_facts_are_dead_lettered_alone(told: Deployment, seen: list[ConsumedRecord], name: str) -> None:
    customer = CUSTOMER_OF[name]
    bad, reason = BAD[name]
    (dead,) = [record for record in seen if record.key == str(customer).encode()]
    assert (dead.topic, dead.header("dlq_reason")) == (f"{told.prefix}dead-letters", reason)
    assert dead.data == {"customerId": customer, **bad["data"]}
    facts = await told.rows(
        f"select 'enrollment ' || id as fact from enrollments where customer_id = {customer}"  # noqa: S608 - a number
        f" union all select 'reward ' || reward_id || ' ' || allocation from rewards where customer_id = {customer}"
        f" union all select 'leave ' || id from leaves where customer_id = {customer}"
        f" union all select 'paid ' || reward_id from issuances where customer_id = {customer} order by 1"
    )
    assert [row["fact"] for row in facts] == ["enrollment in 01 01", "reward good IMMEDIATE", "reward last IMMEDIATE"]
    (account,) = await told.rows(f"select target_id, decisions from accounts where customer_id = {customer}")  # noqa: S608
    assert account == {"target_id": 21, "decisions": 3}
