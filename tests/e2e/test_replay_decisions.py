"""Decisions published again, with the real command: each once more and marked, also when it is killed and goes on."""

import json
import signal
from collections import Counter
from collections.abc import Iterable

import pytest

from support.cases import some
from support.events import leaves
from support.files import tables
from support.place import Place
from support.replays import INPUTS, everything, replay, replayed
from support.topics import Seen
from support.workers import doomed, running, wait_until

CUSTOMERS = range(101, 121)
DECISIONS = ("unenrollments", "rejections", "rewards")
PHASES = ["begun", "sent", "offsets sent", "committed"]
MARK = "ce_replayid"


def decided(place: Place) -> list[Seen]:
    """Everybody of the customers left, and somebody who was not enrolled was told so."""
    everything(place, CUSTOMERS)
    place.request([leaves(7)])
    place.catch_up()
    return place.seen(*DECISIONS)


def alike(found: Iterable[Seen]) -> Counter[tuple[object, ...]]:
    """The records, their mark and their place in the topic aside."""
    unmarked = ((one, tuple(header for header in one.headers if header[0] != MARK)) for one in found)
    return Counter((one.topic, one.partition, one.key, one.value, headers) for one, headers in unmarked)


def marked(found: Iterable[Seen], replay_id: str) -> list[Seen]:
    return [one for one in found if one.header(MARK) == replay_id]


def assert_each_is_there_once_more(place: Place, before: list[Seen], replay_id: str) -> None:
    again = marked(place.seen(*DECISIONS), replay_id)
    assert alike(again) == alike(before)
    assert [one for one in place.seen(*DECISIONS) if one.header(MARK) is None] == before


async def untouched(place: Place) -> object:
    """What a replay of decisions leaves as it is."""
    kept = await tables(place.database_url)
    return {name: rows for name, rows in kept.items() if name != "replays"}, place.seen("dead-letters", *INPUTS)


async def test_each_output_is_there_once_more_and_marked(place: Place) -> None:
    before = decided(place)
    assert {one.topic.removeprefix(place.prefix) for one in before} == set(DECISIONS)
    kept = await untouched(place)
    found = replayed(place, "--mode", "re-emit")
    assert found["published"] == Counter(one.topic.removeprefix(place.prefix) for one in before)
    assert_each_is_there_once_more(place, before, found["replay_id"])
    assert await untouched(place) == kept
    assert '"batch_published"' not in place.catch_up()  # the lanes' own offsets are where they were


def test_a_customers_events_come_again_in_their_order(place: Place) -> None:
    before = decided(place)
    found = replayed(place, "--mode", "re-emit", "--replay-id", "june")
    again = marked(place.seen(*DECISIONS), "june")
    assert found["replay_id"] == "june"
    for partition in range(4):
        assert [one.value for one in again if one.partition == partition and one.topic.endswith("rewards")] == [
            one.value for one in before if one.partition == partition and one.topic.endswith("rewards")
        ]


def test_the_same_replay_again_publishes_nothing_more_and_another_does(place: Place) -> None:
    before = decided(place)
    replayed(place, "--mode", "re-emit", "--replay-id", "june")
    there = place.seen(*DECISIONS)
    again = replayed(place, "--mode", "re-emit", "--replay-id", "june")
    assert (again["finished"], sum(again["published"].values())) == (True, 0)
    assert again["finished_before"] is not None
    assert place.seen(*DECISIONS) == there
    replayed(place, "--mode", "re-emit", "--replay-id", "july")
    assert alike(marked(place.seen(*DECISIONS), "july")) == alike(before)


@pytest.mark.parametrize("phase", some(PHASES, always={"committed"}))
def test_killed_in_the_middle_it_goes_on_where_it_was(place: Place, phase: str) -> None:
    before = decided(place)
    asked = ("replay", "--mode", "re-emit", "--replay-id", "june", "--rate", "100")  # some messages a transaction
    with doomed(phase, *asked, environment=place.environment) as first:
        assert first.wait() == -signal.SIGKILL
    seen = len(marked(place.seen(*DECISIONS), "june"))
    assert 0 < seen < len(before)
    found = replayed(place, *asked[1:])
    assert sum(found["published"].values()) == len(before) - seen
    assert_each_is_there_once_more(place, before, "june")


def test_interrupted_it_says_how_to_go_on(place: Place) -> None:
    before = decided(place)
    asked = ("replay", "--mode", "re-emit", "--rate", "10")
    with running(*asked, environment=place.environment) as first:
        wait_until(lambda: len(place.seen(*DECISIONS)) > len(before), "the replay to be under way", show=first.output)
        first.tell(signal.SIGINT)
        assert first.wait() == 1
        (line,) = [line for line in first.output().splitlines() if line.startswith("unenroll: stopped; to go on, ")]
    replay_id = line.rpartition(" ")[2]
    assert line == f"unenroll: stopped; to go on, run the same command again with --replay-id {replay_id}"
    replayed(place, "--mode", "re-emit", "--replay-id", replay_id)
    assert_each_is_there_once_more(place, before, replay_id)


@pytest.mark.thorough
def test_of_two_runs_at_once_the_later_one_takes_over(place: Place) -> None:
    before = decided(place)
    asked = ("replay", "--mode", "re-emit", "--replay-id", "june")
    with running(*asked, "--rate", "10", environment=place.environment) as first:
        wait_until(lambda: len(place.seen(*DECISIONS)) > len(before), "the replay to be under way", show=first.output)
        replayed(place, *asked[1:])
        assert first.wait() == 1
    assert_each_is_there_once_more(place, before, "june")


def test_where_nothing_was_ever_decided_nothing_is_published(place: Place) -> None:
    assert sum(replayed(place, "--mode", "re-emit")["published"].values()) == 0


def test_what_is_decided_meanwhile_is_not_published_again(place: Place) -> None:
    before = decided(place)
    asked = ("replay", "--mode", "re-emit", "--replay-id", "june", "--rate", "10")
    with running(*asked, environment=place.environment) as first:
        wait_until(lambda: len(place.seen(*DECISIONS)) > len(before), "the replay to be under way", show=first.output)
        first.tell(signal.SIGKILL)
        first.wait()
    place.request([leaves(8)])
    place.catch_up()
    replayed(place, *asked[1:-2])
    assert alike(marked(place.seen(*DECISIONS), "june")) == alike(before)


def test_an_id_stands_for_one_replay(place: Place) -> None:
    decided(place)
    replayed(place, "--mode", "re-emit", "--replay-id", "june", "--topic", "rewards")
    said = replay(place, "--mode", "re-emit", "--replay-id", "june")
    assert said.code == 2
    assert "--replay-id june stands for a replay of something else" in said.err


@pytest.mark.thorough
def test_only_what_is_chosen_is_published_again(place: Place) -> None:
    before = decided(place)
    replayed(place, "--mode", "re-emit", "--replay-id", "one", "--customer", "105", "--target", "21")
    assert alike(marked(place.seen(*DECISIONS), "one")) == alike(one for one in before if one.key == b"105")
    replayed(place, "--mode", "re-emit", "--replay-id", "two", "--topic", "rejections")
    assert {one.data["requestId"] for one in marked(place.seen(*DECISIONS), "two")} == {"leave-7"}
    for none in (["--target", "22"], ["--until", "2026-01-01T00:00:00Z"], ["--since", "2100-01-01T00:00:00Z"]):
        assert sum(replayed(place, "--mode", "re-emit", *none)["published"].values()) == 0


async def test_a_dry_run_publishes_nothing_and_says_what_it_would(place: Place) -> None:
    before = decided(place)
    kept = await tables(place.database_url)
    found = replayed(place, "--mode", "re-emit", "--dry-run")
    assert (found["dry_run"], sum(found["published"].values())) == (True, len(before))
    assert place.seen(*DECISIONS) == before
    assert await tables(place.database_url) == kept


@pytest.mark.thorough
def test_the_result_is_told(place: Place) -> None:
    decided(place)
    said = replay(place, "--mode", "re-emit", "--replay-id", "june")
    assert (said.code, said.err) == (
        0,
        "replay june; if it ends early, run the same command again with --replay-id june\n",
    )
    assert "41 messages were published again by this run, each with the header ce_replayid: june." in said.out
    assert json.loads(replay(place, "--mode", "re-emit", "--replay-id", "june", "--json").out)["finished"] is True
