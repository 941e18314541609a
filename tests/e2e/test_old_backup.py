"""Postgres restored from a backup that is behind Kafka: the worker stops, and what was forgotten is decided again."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from support.arrivals import all_records, arrival
from support.consumer import latest_state, receive
from support.databases import cloned_database
from support.deployment import Deployment, deploy, first_answers
from support.events import leave_record, three_rewards
from support.files import command
from support.topics import ConsumedRecord
from support.workers import run_command
from support.workload import workload
from unenroll.postgres.account_codec import load_account
from unenroll.sandbox.servers import ServerAddresses

EARLY, LATE, LATEST = range(951, 961), range(961, 971), range(971, 976)
SET = ("offsets", "set", "--to", "decided", "--why", "restored", "--by", "Ada")


@asynccontextmanager
async def backup(servers: ServerAddresses, deployment: Deployment) -> AsyncIterator[Deployment]:
    """The place, with a database that is as this one is now. Nobody may be connected to it."""
    async with cloned_database(servers, deployment.database_url.rpartition("/")[2]) as url:
        yield replace(deployment, database_url=url)


def sent_and_not_when(one: ConsumedRecord) -> tuple[object, ...]:
    return one.topic, one.key, one.value, tuple(header for header in one.headers if header[0] != "ce_time")


async def decided(deployment: Deployment) -> list[dict[str, Any]]:
    return await deployment.rows(
        "select customer_id, event_key, content_hash, outcome::text, decision from ledger "
        "order by customer_id, event_key"
    )


async def ended(deployment: Deployment) -> dict[tuple[int, int], object]:
    """What the accounts know and are settled to, but not by how many decisions."""
    found = await deployment.rows("select customer_id, target_id, facts from accounts")
    states = {
        (row["customer_id"], row["target_id"]): load_account(
            row["facts"], customer_id=row["customer_id"], target_id=row["target_id"]
        )[0]
        for row in found
    }
    return {
        key: (
            state.account,
            {name: (now.state, now.rule, now.action) for name, now in state.settled.rewards.items()},
            {name: (leave.first_dropped) for name, leave in state.settled.leaves.items()},
        )
        for key, state in states.items()
    }


async def test_what_was_forgotten_is_decided_again_under_the_same_ids(
    servers: ServerAddresses, deployment: Deployment
) -> None:
    deployment.load(line for customer in (*EARLY, *LATE, *LATEST) for line in three_rewards(customer))
    deployment.request(leave_record(customer) for customer in EARLY)
    deployment.catch_up()
    known = deployment.consume()
    async with backup(servers, deployment) as restored:
        deployment.request(leave_record(customer) for customer in LATE)
        deployment.catch_up()
        visible, ledger = deployment.consume(), await decided(deployment)

        result = run_command("run", "--until-caught-up", environment=restored.environment, code=1).splitlines()[-1]
        assert "the database is older than the topics" in result
        assert "offsets set --to decided" in result
        assert "older than the topics" in run_command("offsets", "show", environment=restored.environment)
        assert deployment.consume() == visible

        done = json.loads(command(*SET, "--json", environment=restored.environment).out)
        assert sum(one["before"] - one["offset"] for one in done["partitions"] if one["before"]) == len(LATE)
        assert {one["skipped"] for one in done["partitions"]} == {0}
        restored.catch_up()
        assert await decided(restored) == ledger
        new = Counter(map(sent_and_not_when, visible)) - Counter(map(sent_and_not_when, known))
        assert Counter(map(sent_and_not_when, restored.consume())) == Counter(map(sent_and_not_when, visible)) + new
        again = restored.consume()
        restored.request(leave_record(customer) for customer in LATEST)
        restored.catch_up()
        assert len(first_answers(restored.consume())) == len(EARLY) + len(LATE) + len(LATEST)
        assert len(restored.consume()) > len(again)
        run_command("verify", "--published", environment=restored.environment)
        numbers = await restored.rows("select partition, sequence, published from lanes where sequence > 0")
        assert all(row["sequence"] == row["published"] for row in numbers)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(1, 9))
async def test_a_crowd_ends_where_it_had_ended(servers: ServerAddresses, deployment: Deployment, seed: int) -> None:
    """Facts and requests interleave otherwise than the first time, so first answers may be others; the end is not."""
    many = workload(seed, 40)
    await deploy(deployment, *many.groups)
    received = all_records(arrival(many, 2))
    for word, records in received.items():
        deployment.produce(word, records[: len(records) // 2])
    deployment.catch_up()
    async with backup(servers, deployment) as restored:
        for word, records in received.items():
            deployment.produce(word, records[len(records) // 2 :])
        deployment.catch_up()
        run_command(*SET, environment=restored.environment)
        restored.catch_up()
        assert await ended(restored) == await ended(deployment)
        before, after = await decided(deployment), await decided(restored)
        assert [row["event_key"] for row in before] == [row["event_key"] for row in after]
        run_command("verify", environment=restored.environment)
        behind, rewards = await revisions_behind(restored)
        others = sum(one["outcome"] != other["outcome"] for one, other in zip(before, after, strict=True))
        print(f"{others} answers of {len(before)} events, {behind} revisions of {rewards} rewards")  # noqa: T201


async def revisions_behind(deployment: Deployment) -> tuple[int, int]:
    """How many rewards of how many have a lower revision than is visible. All stand as the highest one says."""
    received = receive(deployment.consume()).rewards
    rows = await deployment.rows(
        "select customer_id, target_id, reward_id, state::text, action::text, revision from rewards"
    )
    behind = 0
    for row in rows:
        events = received.get((row["customer_id"], row["target_id"], row["reward_id"]), [])
        assert latest_state(events) == (row["state"], row["action"]), row
        behind += bool(events) and events[-1]["revision"] > row["revision"]
    return behind, len(rows)
