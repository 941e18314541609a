"""`unenroll replay --mode re-emit` publishes each event once more, marked, also when it is killed and continues."""

import json
import signal
from collections import Counter
from collections.abc import Iterable

import pytest

from support.cases import some
from support.commands import INPUTS, publish_everything, replay, run_replay
from support.deployment import Deployment
from support.events import leave_record
from support.files import tables
from support.topics import ConsumedRecord
from support.workers import command_that_kills_itself, running_command, wait_until

CUSTOMERS = range(101, 121)
DECISIONS = ("unenrollments", "rejections", "rewards")
PHASES = ["begun", "sent", "offsets sent", "committed"]
MARK = "ce_replayid"


def decided(deployment: Deployment) -> list[ConsumedRecord]:
    """Decide one leave of each customer, and one request that is rejected. Return the published events."""
    publish_everything(deployment, CUSTOMERS)
    deployment.request([leave_record(7)])
    deployment.catch_up()
    return deployment.consume(*DECISIONS)


def alike(found: Iterable[ConsumedRecord]) -> Counter[tuple[object, ...]]:
    """Count the records without their mark and their offset."""
    unmarked = ((one, tuple(header for header in one.headers if header[0] != MARK)) for one in found)
    return Counter((one.topic, one.partition, one.key, one.value, headers) for one, headers in unmarked)


def marked(found: Iterable[ConsumedRecord], replay_id: str) -> list[ConsumedRecord]:
    return [one for one in found if one.header(MARK) == replay_id]


def assert_each_is_there_once_more(deployment: Deployment, before: list[ConsumedRecord], replay_id: str) -> None:
    again = marked(deployment.consume(*DECISIONS), replay_id)
    assert alike(again) == alike(before)
    assert [one for one in deployment.consume(*DECISIONS) if one.header(MARK) is None] == before


async def untouched(deployment: Deployment) -> object:
    """Return all that a re-emit must not change."""
    stored = await tables(deployment.database_url)
    return {name: rows for name, rows in stored.items() if name != "replays"}, deployment.consume(
        "dead-letters", *INPUTS
    )


async def test_each_event_is_published_once_more_and_marked(deployment: Deployment) -> None:
    before = decided(deployment)
    assert {one.topic.removeprefix(deployment.prefix) for one in before} == set(DECISIONS)
    before_tables = await untouched(deployment)
    found = run_replay(deployment, "--mode", "re-emit")
    assert found["published"] == Counter(one.topic.removeprefix(deployment.prefix) for one in before)
    assert_each_is_there_once_more(deployment, before, found["replay_id"])
    assert await untouched(deployment) == before_tables
    assert '"batch_published"' not in deployment.catch_up()  # the lanes' own offsets have not changed


def test_a_customers_events_come_again_in_their_order(deployment: Deployment) -> None:
    before = decided(deployment)
    found = run_replay(deployment, "--mode", "re-emit", "--replay-id", "june")
    again = marked(deployment.consume(*DECISIONS), "june")
    assert found["replay_id"] == "june"
    for partition in range(4):
        assert [one.value for one in again if one.partition == partition and one.topic.endswith("rewards")] == [
            one.value for one in before if one.partition == partition and one.topic.endswith("rewards")
        ]


def test_the_same_replay_again_publishes_nothing_more_and_another_does(deployment: Deployment) -> None:
    before = decided(deployment)
    run_replay(deployment, "--mode", "re-emit", "--replay-id", "june")
    events = deployment.consume(*DECISIONS)
    again = run_replay(deployment, "--mode", "re-emit", "--replay-id", "june")
    assert (again["finished"], sum(again["published"].values())) == (True, 0)
    assert again["finished_before"] is not None
    assert deployment.consume(*DECISIONS) == events
    run_replay(deployment, "--mode", "re-emit", "--replay-id", "july")
    assert alike(marked(deployment.consume(*DECISIONS), "july")) == alike(before)


@pytest.mark.parametrize("phase", some(PHASES, always={"committed"}))
def test_a_killed_re_emit_continues_where_it_was(deployment: Deployment, phase: str) -> None:
    before = decided(deployment)
    arguments = ("replay", "--mode", "re-emit", "--replay-id", "june", "--rate", "100")  # some messages a transaction
    with command_that_kills_itself(phase, *arguments, environment=deployment.environment) as first:
        assert first.wait() == -signal.SIGKILL
    published = len(marked(deployment.consume(*DECISIONS), "june"))
    assert 0 < published < len(before)
    found = run_replay(deployment, *arguments[1:])
    assert sum(found["published"].values()) == len(before) - published
    assert_each_is_there_once_more(deployment, before, "june")


def test_an_interrupted_re_emit_prints_how_to_continue(deployment: Deployment) -> None:
    before = decided(deployment)
    arguments = ("replay", "--mode", "re-emit", "--rate", "1")
    with running_command(*arguments, environment=deployment.environment) as first:
        wait_until(
            lambda: len(deployment.consume(*DECISIONS)) > len(before), "the replay to publish", show=first.output
        )
        first.send_signal(signal.SIGINT)
        assert first.wait() == 1
        (line,) = [line for line in first.output().splitlines() if line.startswith("unenroll: stopped; to continue, ")]
    replay_id = line.rpartition(" ")[2]
    assert line == f"unenroll: stopped; to continue, run the same command again with --replay-id {replay_id}"
    run_replay(deployment, "--mode", "re-emit", "--replay-id", replay_id)
    assert_each_is_there_once_more(deployment, before, replay_id)


@pytest.mark.thorough
def test_a_second_run_of_the_same_replay_takes_over(deployment: Deployment) -> None:
    before = decided(deployment)
    arguments = ("replay", "--mode", "re-emit", "--replay-id", "june")
    with running_command(*arguments, "--rate", "1", environment=deployment.environment) as first:
        wait_until(
            lambda: len(deployment.consume(*DECISIONS)) > len(before), "the replay to publish", show=first.output
        )
        run_replay(deployment, *arguments[1:])
        assert first.wait() == 1
    assert_each_is_there_once_more(deployment, before, "june")


def test_without_decisions_nothing_is_published(deployment: Deployment) -> None:
    assert sum(run_replay(deployment, "--mode", "re-emit")["published"].values()) == 0


def test_later_decisions_are_not_published_again(deployment: Deployment) -> None:
    before = decided(deployment)
    arguments = ("replay", "--mode", "re-emit", "--replay-id", "june", "--rate", "1")
    with running_command(*arguments, environment=deployment.environment) as first:
        wait_until(
            lambda: len(deployment.consume(*DECISIONS)) > len(before), "the replay to publish", show=first.output
        )
        first.send_signal(signal.SIGKILL)
        first.wait()
    deployment.request([leave_record(8)])
    deployment.catch_up()
    run_replay(deployment, *arguments[1:-2])
    assert alike(marked(deployment.consume(*DECISIONS), "june")) == alike(before)


def test_an_id_belongs_to_one_selection(deployment: Deployment) -> None:
    decided(deployment)
    run_replay(deployment, "--mode", "re-emit", "--replay-id", "june", "--topic", "rewards")
    result = replay(deployment, "--mode", "re-emit", "--replay-id", "june")
    assert result.code == 2
    assert "--replay-id june belongs to a replay with another selection" in result.err


@pytest.mark.thorough
def test_only_selected_events_are_published_again(deployment: Deployment) -> None:
    before = decided(deployment)
    run_replay(deployment, "--mode", "re-emit", "--replay-id", "one", "--customer", "105", "--target", "21")
    assert alike(marked(deployment.consume(*DECISIONS), "one")) == alike(one for one in before if one.key == b"105")
    run_replay(deployment, "--mode", "re-emit", "--replay-id", "two", "--topic", "rejections")
    assert {one.data["requestId"] for one in marked(deployment.consume(*DECISIONS), "two")} == {"leave-7"}
    for none in (["--target", "22"], ["--until", "2026-01-01T00:00:00Z"], ["--since", "2100-01-01T00:00:00Z"]):
        assert sum(run_replay(deployment, "--mode", "re-emit", *none)["published"].values()) == 0


async def test_a_dry_run_publishes_nothing_and_reports_what_would_be_published(deployment: Deployment) -> None:
    before = decided(deployment)
    before_tables = await tables(deployment.database_url)
    found = run_replay(deployment, "--mode", "re-emit", "--dry-run")
    assert (found["dry_run"], sum(found["published"].values())) == (True, len(before))
    assert deployment.consume(*DECISIONS) == before
    assert await tables(deployment.database_url) == before_tables


@pytest.mark.thorough
def test_the_result_is_printed(deployment: Deployment) -> None:
    decided(deployment)
    result = replay(deployment, "--mode", "re-emit", "--replay-id", "june")
    assert (result.code, result.err) == (
        0,
        "replay june; if it stops early, run the same command again with --replay-id june\n",
    )
    assert "Published 41 messages again, with the header ce_replayid: june." in result.out
    assert json.loads(replay(deployment, "--mode", "re-emit", "--replay-id", "june", "--json").out)["finished"] is True
