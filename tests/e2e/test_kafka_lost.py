"""Kafka lost and another one in its place, while Postgres stands: nothing is decided twice, all can be told again."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from support.api_process import LEAVE, deciding_worker, running_api
from support.deployment import Deployment, first_answers, group_of
from support.events import enrollment_line, leave_record, three_rewards
from support.files import appended_definition, command
from support.topics import ConsumedRecord, NewRecord
from support.workers import command_that_kills_itself, run_command, wait_until
from unenroll.postgres.definitions import define
from unenroll.postgres.pool import open_pool
from unenroll.sandbox.environment import cache_folder
from unenroll.sandbox.environment import sandbox_folders as folders
from unenroll.sandbox.kafka import kafka

CUSTOMERS, LATER = range(951, 961), range(961, 966)
AFTER_ALL_CYCLES = "2026-06-15T00:00:00Z"
BAD = NewRecord(key=b"7", value=b"{", headers=leave_record(7).headers)


@pytest.fixture(scope="module")
async def other_kafka() -> AsyncIterator[str]:
    """The address of a Kafka that has never heard of anything."""
    with folders(None, cache=cache_folder({}), say=lambda _: None) as where:
        async with kafka(where) as server:
            yield server.program.address


def rebuilt(deployment: Deployment, address: str) -> Deployment:
    """The place on another Kafka, with its topics made."""
    there = replace(deployment, kafka=address)
    run_command("topics", environment=there.environment)
    return there


def told(found: list[ConsumedRecord]) -> set[tuple[object, ...]]:
    """What consumers hear, however often, dead letters aside."""
    return {
        (one.topic, one.key, one.value, tuple(header for header in one.headers if header[0] != "ce_replayid"))
        for one in found
        if one.header("dlq_reason") is None
    }


async def test_what_was_decided_is_told_again_and_what_comes_again_is_not_decided_twice(
    deployment: Deployment, other_kafka: str
) -> None:
    deployment.load(line for customer in (*CUSTOMERS, *LATER) for line in three_rewards(customer))
    requests = [*(leave_record(customer) for customer in CUSTOMERS), BAD]
    deployment.request(requests)
    deployment.catch_up()
    deployment.request(leave_record(customer) for customer in LATER)
    with command_that_kills_itself("decided", "run", "--until-caught-up", environment=deployment.environment) as killed:
        assert killed.wait() == -9, killed.output()
    waited = {
        f"leave-{row['customer_id']}"
        for row in await deployment.rows("select customer_id from ledger where event_type = 'UnenrollRequested'")
        if row["customer_id"] in LATER
    }
    visible = deployment.consume()

    there = rebuilt(deployment, other_kafka)
    assert "the topic was deleted and created again" in run_command("offsets", "show", environment=there.environment)
    there.catch_up()
    assert first_answers(there.consume()).keys() == waited, "what was decided and not visible is published by itself"
    run_command("replay", "--mode", "re-emit", "--replay-id", "rebuilt", environment=there.environment)
    assert told(there.consume()) >= told(visible)

    await deployment.execute("delete from dead_letters")  # so that they are put aside here as well
    before = first_answers(there.consume())
    there.request([*requests, *(leave_record(customer) for customer in LATER)])
    there.catch_up()
    found = first_answers(there.consume())
    assert found.keys() == {f"leave-{customer}" for customer in (*CUSTOMERS, *LATER)}
    assert {name: found[name] for name in before} == before
    assert [one.key for one in there.consume("dead-letters")] == [b"7"]
    run_command("verify", "--published", environment=there.environment)


async def test_accounts_are_settled_again_of_which_only_the_lost_topic_told(
    deployment: Deployment, other_kafka: str
) -> None:
    deployment.load(enrollment_line(customer) for customer in CUSTOMERS)
    deployment.request(leave_record(customer, AFTER_ALL_CYCLES) for customer in CUSTOMERS)
    deployment.catch_up()
    assert {one.data["outcome"] for one in deployment.consume("rejections")} == {"NOTHING_LEFT"}
    async with open_pool(deployment.database_url) as pool:
        await define(pool, group_of(appended_definition(2)), settle_again=True)
    await deployment.execute("delete from resettlements")  # as if a worker had told, and Kafka was lost then
    there = rebuilt(deployment, other_kafka)
    there.catch_up()
    there.catch_up()
    assert {row["outcome"] for row in await deployment.rows("select outcome::text from leaves")} == {"UNENROLLED"}
    assert len(there.consume("unenrollments")) == len(CUSTOMERS)


@pytest.mark.thorough
async def test_calls_that_were_answered_202_are_decided_all_the_same(deployment: Deployment, other_kafka: str) -> None:
    deployment.load(three_rewards(1))
    with running_api(deployment, UNENROLL_API_WAIT_MS="200") as api:
        asked = api.post(LEAVE, {"customerId": 1}, who="clerk")
        assert asked.status == 202
    there = rebuilt(deployment, other_kafka)
    again = ("resend-calls", "--older-than=0", "--json")
    with deciding_worker(there), running_api(there) as api:
        where = asked.headers["location"]
        assert api.get(where, who="clerk").status == 202
        assert json.loads(command(*again, "--dry-run", environment=there.environment).out)["calls"] == 1
        assert json.loads(command(*again, environment=there.environment).out)["calls"] == 1
        wait_until(lambda: api.get(where, who="clerk").status == 200, "the outcome", show=api.command.output)
        assert json.loads(command(*again, environment=there.environment).out)["calls"] == 0
    assert len(first_answers(there.consume())) == 1
