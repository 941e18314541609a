"""`prune` deletes what no replay needs: nothing that topics still have, and nothing unpublished."""

import json
from typing import Any

import pytest

from support.api_process import decided, opened
from support.events import leaves, three_rewards
from support.files import command, tables
from support.place import Place, answers
from support.topics import Put
from support.workers import doomed, run, running, wait_until

CUSTOMERS = range(951, 971)
EVERYBODY = {f"leave-{customer}": ["unenroll.UserUnenrolled.v1"] for customer in CUSTOMERS}
ABROAD = range(981, 984)
ALL = {"ledger", "api_requests", "dead_letters", "publications", "handled_letters"}


def prune(place: Place, *arguments: str, code: int = 0) -> Any:  # noqa: ANN401 - JSON
    said = command("prune", *arguments, "--json", environment=place.environment)
    assert said.code == code, said
    return json.loads(said.out)["rows"] if said.out else said.err


def everybody_leaves(place: Place) -> None:
    place.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    place.request(leaves(customer) for customer in CUSTOMERS)
    place.catch_up()


async def grow_old(place: Place) -> None:
    """Move all decisions 100 days into the past."""
    for table in ("ledger", "publications", "dead_letters"):
        await place.execute(f"update {table} set decided_at = decided_at - interval '100 days'")  # noqa: S608 - our words


async def facts_and_decisions(place: Place) -> dict[str, list[str]]:
    found = await tables(place.database_url)
    return {name: rows for name, rows in found.items() if name not in {"lanes", "offset_changes"}}


def replay(place: Place) -> None:
    run("offsets", "set", "--to", "earliest", "--why", "a test", environment=place.environment)
    place.catch_up()


async def test_what_the_topics_still_have_is_not_deleted_and_a_replay_changes_nothing(place: Place) -> None:
    everybody_leaves(place)
    place.request([Put(key=b"7", value=b"{", headers=leaves(7).headers)])
    place.catch_up()
    await grow_old(place)
    loaded = 4 * len(CUSTOMERS)
    await place.execute("update ledger set decided_at = now() where customer_id = 951 and lane_id is null")
    counted = prune(place, "--older-than", "90d", "--dry-run")
    deleted = prune(place, "--older-than", "90d")
    assert counted == deleted
    assert (deleted["ledger"], deleted["dead_letters"]) == (loaded - 4, 0)
    assert {name: count for name, count in prune(place, "--older-than", "90d").items() if count} == {}
    published, known = place.seen(), await facts_and_decisions(place)
    replay(place)
    assert (place.seen(), await facts_and_decisions(place)) == (published, known)


async def test_what_the_topics_no_longer_have_is_deleted_and_accounts_stay(place: Place) -> None:
    everybody_leaves(place)
    accounts = await place.rows("select * from accounts order by customer_id")
    await grow_old(place)
    place.delete_records()
    place.request([leaves(999)])
    place.catch_up()
    deleted = prune(place, "--older-than", "90d")
    assert deleted == {
        **dict.fromkeys(ALL, 0),
        "ledger": 5 * len(CUSTOMERS),
        "publications": deleted["publications"],
    }
    assert deleted["publications"] > 0
    published = place.seen()
    replay(place)
    assert place.seen() == published
    assert (await place.rows("select * from accounts where customer_id < 999 order by customer_id")) == accounts


@pytest.mark.thorough
async def test_a_call_is_kept_for_as_long_as_its_decision(place: Place) -> None:
    place.load(three_rewards(951))
    with decided(place), opened(place) as api:
        assert api.leave(951, key="k").status == 200
    assert prune(place, "--older-than", "90d")["api_requests"] == 0
    await grow_old(place)
    await place.execute("update api_requests set created_at = created_at - interval '100 days'")
    assert prune(place, "--older-than", "90d")["api_requests"] == 0
    place.delete_records()
    place.request([leaves(999)])
    place.catch_up()
    deleted = prune(place, "--older-than", "90d")
    assert (deleted["ledger"], deleted["api_requests"]) == (1, 1)


async def test_deleting_what_a_replay_may_need_requires_force(place: Place) -> None:
    assert "requests keeps its records for 7 days" in prune(place, "--older-than", "6d", code=1)
    place.configure("facts", "retention.ms", "-1")
    assert "facts keeps its records forever" in prune(place, "--older-than", "999w", code=1)
    assert prune(place, "--older-than", "6d", "--force") == dict.fromkeys(ALL, 0)


async def test_the_oldest_dead_letter_can_still_be_put_back(place: Place) -> None:
    for word in ("facts", "requests"):
        place.configure(word, "retention.ms", "1000")
    place.request([Put(key=b"7", value=b"{", headers=leaves(7).headers)])
    place.catch_up()

    def refused() -> bool:
        return (
            "the oldest dead letter is from"
            in command("prune", "--older-than", "1s", environment=place.environment).err
        )

    wait_until(refused, "the dead letter to be a second old")


async def test_after_a_forced_prune_only_requests_that_added_no_fact_are_answered_again(place: Place) -> None:
    everybody_leaves(place)
    place.request(leaves(customer, targetGroupId=99) for customer in ABROAD)
    place.catch_up()
    before = [(one.topic, one.header("ce_id")) for one in place.seen()]
    assert prune(place, "--older-than", "0s", "--force")["ledger"] == 5 * len(CUSTOMERS) + len(ABROAD)
    replay(place)
    after = [(one.topic, one.header("ce_id")) for one in place.seen()]
    refused = [one for one in before if one[0].endswith("rejections")]
    assert len(refused) == len(ABROAD)
    assert sorted(after) == sorted(before + refused)


async def test_what_is_not_published_is_never_deleted(place: Place) -> None:
    place.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    place.request(leaves(customer) for customer in CUSTOMERS)
    with doomed("decided", "run", "--until-caught-up", environment=place.environment) as killed:
        assert killed.wait() == -9, killed.output()
    await grow_old(place)
    assert prune(place, "--older-than", "0s", "--force")["publications"] == 0
    place.catch_up()
    assert answers(place.seen()) == EVERYBODY


@pytest.mark.thorough
def test_workers_go_on_meanwhile(place: Place) -> None:
    place.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    with running("run", environment=place.environment) as worker:
        worker.wait_to_say('"lane_opened"')
        for customer in CUSTOMERS:
            place.request([leaves(customer)])
            if customer % 5 == 0:
                prune(place, "--older-than", "0s", "--force")
        wait_until(lambda: answers(place.seen()).keys() == EVERYBODY.keys(), "all answers", show=worker.output)
    assert answers(place.seen()) == EVERYBODY


async def test_rows_from_topics_with_another_prefix_are_not_deleted(place: Place) -> None:
    everybody_leaves(place)
    await place.execute(
        "update lanes set topic_prefix = 'others.'; delete from ledger where lane_id is null;"
        "update dead_letters set topic = 'others.requests'"
    )
    assert prune(place, "--older-than", "0s", "--force") == dict.fromkeys(ALL, 0)


@pytest.mark.parametrize("length", ["90", "d", "-1d", "9y", "1.5h"])
def test_a_length_that_cannot_be_read_is_refused(nowhere: Place, length: str) -> None:
    said = command("prune", f"--older-than={length}", environment=nowhere.environment)
    assert (said.code, "must be a number and one of s, m, h, d, w" in said.err) == (2, True)
