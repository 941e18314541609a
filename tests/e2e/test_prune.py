"""`prune` deletes what no replay needs: nothing that topics still have, and nothing unpublished."""

import json
from typing import Any

import pytest

from support.api_process import deciding_worker, running_api
from support.deployment import Deployment, first_answers
from support.events import leave_record, three_rewards
from support.files import command, tables
from support.topics import NewRecord
from support.workers import command_that_kills_itself, run_command, running_command, wait_until

CUSTOMERS = range(951, 971)
EVERYBODY = {f"leave-{customer}": ["unenroll.UserUnenrolled.v1"] for customer in CUSTOMERS}
ABROAD = range(981, 984)
ALL = {"ledger", "api_requests", "dead_letters", "publications", "handled_letters"}


def prune(deployment: Deployment, *arguments: str, code: int = 0) -> Any:  # noqa: ANN401 - JSON
    result = command("prune", *arguments, "--json", environment=deployment.environment)
    assert result.code == code, result
    return json.loads(result.out)["rows"] if result.out else result.err


def everybody_leaves(deployment: Deployment) -> None:
    deployment.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    deployment.request(leave_record(customer) for customer in CUSTOMERS)
    deployment.catch_up()


async def grow_old(deployment: Deployment) -> None:
    """Move all decisions 100 days into the past."""
    for table in ("ledger", "publications", "dead_letters"):
        await deployment.execute(f"update {table} set decided_at = decided_at - interval '100 days'")  # noqa: S608 - our words


async def facts_and_decisions(deployment: Deployment) -> dict[str, list[str]]:
    found = await tables(deployment.database_url)
    return {name: rows for name, rows in found.items() if name not in {"lanes", "offset_changes"}}


def replay(deployment: Deployment) -> None:
    run_command("offsets", "set", "--to", "earliest", "--why", "a test", environment=deployment.environment)
    deployment.catch_up()


async def test_what_the_topics_still_have_is_not_deleted_and_a_replay_changes_nothing(deployment: Deployment) -> None:
    everybody_leaves(deployment)
    deployment.request([NewRecord(key=b"7", value=b"{", headers=leave_record(7).headers)])
    deployment.catch_up()
    await grow_old(deployment)
    loaded = 4 * len(CUSTOMERS)
    await deployment.execute("update ledger set decided_at = now() where customer_id = 951 and lane_id is null")
    counted = prune(deployment, "--older-than", "90d", "--dry-run")
    deleted = prune(deployment, "--older-than", "90d")
    assert counted == deleted
    assert (deleted["ledger"], deleted["dead_letters"]) == (loaded - 4, 0)
    assert {name: count for name, count in prune(deployment, "--older-than", "90d").items() if count} == {}
    published, known = deployment.consume(), await facts_and_decisions(deployment)
    replay(deployment)
    assert (deployment.consume(), await facts_and_decisions(deployment)) == (published, known)


async def test_what_the_topics_no_longer_have_is_deleted_and_accounts_stay(deployment: Deployment) -> None:
    everybody_leaves(deployment)
    accounts = await deployment.rows("select * from accounts order by customer_id")
    await grow_old(deployment)
    deployment.delete_records()
    deployment.request([leave_record(999)])
    deployment.catch_up()
    deleted = prune(deployment, "--older-than", "90d")
    assert deleted == {
        **dict.fromkeys(ALL, 0),
        "ledger": 5 * len(CUSTOMERS),
        "publications": deleted["publications"],
    }
    assert deleted["publications"] > 0
    published = deployment.consume()
    replay(deployment)
    assert deployment.consume() == published
    assert (await deployment.rows("select * from accounts where customer_id < 999 order by customer_id")) == accounts


@pytest.mark.thorough
async def test_a_call_is_kept_for_as_long_as_its_decision(deployment: Deployment) -> None:
    deployment.load(three_rewards(951))
    with deciding_worker(deployment), running_api(deployment) as api:
        assert api.leave(951, key="k").status == 200
    assert prune(deployment, "--older-than", "90d")["api_requests"] == 0
    await grow_old(deployment)
    await deployment.execute("update api_requests set created_at = created_at - interval '100 days'")
    assert prune(deployment, "--older-than", "90d")["api_requests"] == 0
    deployment.delete_records()
    deployment.request([leave_record(999)])
    deployment.catch_up()
    deleted = prune(deployment, "--older-than", "90d")
    assert (deleted["ledger"], deleted["api_requests"]) == (1, 1)


async def test_deleting_what_a_replay_may_need_requires_force(deployment: Deployment) -> None:
    assert "requests keeps its records for 7 days" in prune(deployment, "--older-than", "6d", code=1)
    deployment.configure("facts", "retention.ms", "-1")
    assert "facts keeps its records forever" in prune(deployment, "--older-than", "999w", code=1)
    assert prune(deployment, "--older-than", "6d", "--force") == dict.fromkeys(ALL, 0)


async def test_the_oldest_dead_letter_can_still_be_put_back(deployment: Deployment) -> None:
    for word in ("facts", "requests"):
        deployment.configure(word, "retention.ms", "1000")
    deployment.request([NewRecord(key=b"7", value=b"{", headers=leave_record(7).headers)])
    deployment.catch_up()

    def refused() -> bool:
        return (
            "the oldest dead letter is from"
            in command("prune", "--older-than", "1s", environment=deployment.environment).err
        )

    wait_until(refused, "the dead letter to be a second old")


async def test_after_a_forced_prune_only_requests_that_added_no_fact_are_answered_again(deployment: Deployment) -> None:
    everybody_leaves(deployment)
    deployment.request(leave_record(customer, targetGroupId=99) for customer in ABROAD)
    deployment.catch_up()
    before = [(one.topic, one.header("ce_id")) for one in deployment.consume()]
    assert prune(deployment, "--older-than", "0s", "--force")["ledger"] == 5 * len(CUSTOMERS) + len(ABROAD)
    replay(deployment)
    after = [(one.topic, one.header("ce_id")) for one in deployment.consume()]
    refused = [one for one in before if one[0].endswith("rejections")]
    assert len(refused) == len(ABROAD)
    assert sorted(after) == sorted(before + refused)


async def test_what_is_not_published_is_never_deleted(deployment: Deployment) -> None:
    deployment.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    deployment.request(leave_record(customer) for customer in CUSTOMERS)
    with command_that_kills_itself("decided", "run", "--until-caught-up", environment=deployment.environment) as killed:
        assert killed.wait() == -9, killed.output()
    await grow_old(deployment)
    assert prune(deployment, "--older-than", "0s", "--force")["publications"] == 0
    deployment.catch_up()
    assert first_answers(deployment.consume()) == EVERYBODY


@pytest.mark.thorough
def test_workers_go_on_meanwhile(deployment: Deployment) -> None:
    deployment.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    with running_command("run", environment=deployment.environment) as worker:
        worker.wait_for_log('"lane_opened"')
        for customer in CUSTOMERS:
            deployment.request([leave_record(customer)])
            if customer % 5 == 0:
                prune(deployment, "--older-than", "0s", "--force")
        wait_until(
            lambda: first_answers(deployment.consume()).keys() == EVERYBODY.keys(), "all answers", show=worker.output
        )
    assert first_answers(deployment.consume()) == EVERYBODY


async def test_rows_from_topics_with_another_prefix_are_not_deleted(deployment: Deployment) -> None:
    everybody_leaves(deployment)
    await deployment.execute(
        "update lanes set topic_prefix = 'others.'; delete from ledger where lane_id is null;"
        "update dead_letters set topic = 'others.requests'"
    )
    assert prune(deployment, "--older-than", "0s", "--force") == dict.fromkeys(ALL, 0)


@pytest.mark.parametrize("length", ["90", "d", "-1d", "9y", "1.5h"])
def test_a_length_that_cannot_be_read_is_refused(nowhere: Deployment, length: str) -> None:
    result = command("prune", f"--older-than={length}", environment=nowhere.environment)
    assert (result.code, "must be a number and one of s, m, h, d, w" in result.err) == (2, True)
