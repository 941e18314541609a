"""`unenroll replay --mode re-emit` publishes each event once more, marked, also when it is killed and continues."""

import json
import signal
from collections import Counter
from collections.abc import Iterable

import pytest

from support.cases import some
from support.commands import INPUTS, everything, replay, replayed
from support.events import leaves
from support.files import tables
from support.place import Place
from support.topics import Seen
from support.workers import doomed, running, wait_until

CUSTOMERS = range(101, 121)
DECISIONS = ("unenrollments", "rejections", "rewards")
PHASES = ["begun", "sent", "offsets sent", "committed"]
MARK = "ce_replayid"


def decided(place: Place) -> list[Seen]:
    """Decide one leave of each customer, and one request that is rejected. Return the published events."""
    everything(place, CUSTOMERS)
    place.request([leaves(7)])
    place.catch_up()
    return place.seen(*DECISIONS)


def alike(found: Iterable[Seen]) -> Counter[tuple[object, ...]]:
    """Count the records without their mark and their offset."""
    unmarked = ((one, tuple(header for header in one.headers if header[0] != MARK)) for one in found)
    return Counter((one.topic, one.partition, one.key, one.value, headers) for one, headers in unmarked)


def marked(found: Iterable[Seen], replay_id: str) -> list[Seen]:
    return [one for one in found if one.header(MARK) == replay_id]


def assert_each_is_there_once_more(place: Place, before: list[Seen], replay_id: str) -> None:
    again = marked(place.seen(*DECISIONS), replay_id)
    assert alike(again) == alike(before)
    assert [one for one in place.seen(*DECISIONS) if one.header(MARK) is None] == before


async def untouched(place: Place) -> object:
    """Return all that a re-emit must not change."""
    stored = await tables(place.database_url)
    return {name: rows for name, rows in stored.items() if name != "replays"}, place.seen("dead-letters", *INPUTS)


async def test_each_event_is_published_once_more_and_marked(place: Place) -> None:
    before = decided(place)
    assert {one.topic.removeprefix(place.prefix) for one in before} == set(DECISIONS)
    before_tables = await untouched(place)
    found = replayed(place, "--mode", "re-emit")
    assert found["published"] == Counter(one.topic.removeprefix(place.prefix) for one in before)
    assert_each_is_there_once_more(place, before, found["replay_id"])
    assert await untouched(place) == before_tables
    assert '"batch_published"' not in place.catch_up()  # the lanes' own offsets have not changed


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
    events = place.seen(*DECISIONS)
    again = replayed(place, "--mode", "re-emit", "--replay-id", "june")
    assert (again["finished"], sum(again["published"].values())) == (True, 0)
    assert again["finished_before"] is not None
    assert place.seen(*DECISIONS) == events
    replayed(place, "--mode", "re-emit", "--replay-id", "july")
    assert alike(marked(place.seen(*DECISIONS), "july")) == alike(before)


@pytest.mark.parametrize("phase", some(PHASES, always={"committed"}))
def test_a_killed_re_emit_continues_where_it_was(place: Place, phase: str) -> None:
    before = decided(place)
    arguments = ("replay", "--mode", "re-emit", "--replay-id", "june", "--rate", "100")  # some messages a transaction
    with doomed(phase, *arguments, environment=place.environment) as first:
        assert first.wait() == -signal.SIGKILL
    published = len(marked(place.seen(*DECISIONS), "june"))
    assert 0 < published < len(before)
    found = replayed(place, *arguments[1:])
    assert sum(found["published"].values()) == len(before) - published
    assert_each_is_there_once_more(place, before, "june")


def test_an_interrupted_re_emit_prints_how_to_continue(place: Place) -> None:
    before = decided(place)
    arguments = ("replay", "--mode", "re-emit", "--rate", "1")
    with running(*arguments, environment=place.environment) as first:
        wait_until(lambda: len(place.seen(*DECISIONS)) > len(before), "the replay to publish", show=first.output)
        first.tell(signal.SIGINT)
        assert first.wait() == 1
        (line,) = [line for line in first.output().splitlines() if line.startswith("unenroll: stopped; to continue, ")]
    replay_id = line.rpartition(" ")[2]
    assert line == f"unenroll: stopped; to continue, run the same command again with --replay-id {replay_id}"
    replayed(place, "--mode", "re-emit", "--replay-id", replay_id)
    assert_each_is_there_once_more(place, before, replay_id)


@pytest.mark.thorough
def test_a_second_run_of_the_same_replay_takes_over(place: Place) -> None:
    before = decided(place)
    arguments = ("replay", "--mode", "re-emit", "--replay-id", "june")
    with running(*arguments, "--rate", "1", environment=place.environment) as first:
        wait_until(lambda: len(place.seen(*DECISIONS)) > len(before), "the replay to publish", show=first.output)
        replayed(place, *arguments[1:])
        assert first.wait() == 1
    assert_each_is_there_once_more(place, before, "june")


def test_without_decisions_nothing_is_published(place: Place) -> None:
    assert sum(replayed(place, "--mode", "re-emit")["published"].values()) == 0


def test_later_decisions_are_not_published_again(place: Place) -> None:
    before = decided(place)
    arguments = ("replay", "--mode", "re-emit", "--replay-id", "june", "--rate", "1")
    with running(*arguments, environment=place.environment) as first:
        wait_until(lambda: len(place.seen(*DECISIONS)) > len(before), "the replay to publish", show=first.output)
        first.tell(signal.SIGKILL)
        first.wait()
    place.request([leaves(8)])
    place.catch_up()
    replayed(place, *arguments[1:-2])
    assert alike(marked(place.seen(*DECISIONS), "june")) == alike(before)


def test_an_id_belongs_to_one_selection(place: Place) -> None:
    decided(place)
    replayed(place, "--mode", "re-emit", "--replay-id", "june", "--topic", "rewards")
    result = replay(place, "--mode", "re-emit", "--replay-id", "june")
    assert result.code == 2
    assert "--replay-id june belongs to a replay with another selection" in result.err


@pytest.mark.thorough
def test_only_selected_events_are_published_again(place: Place) -> None:
    before = decided(place)
    replayed(place, "--mode", "re-emit", "--replay-id", "one", "--customer", "105", "--target", "21")
    assert alike(marked(place.seen(*DECISIONS), "one")) == alike(one for one in before if one.key == b"105")
    replayed(place, "--mode", "re-emit", "--replay-id", "two", "--topic", "rejections")
    assert {one.data["requestId"] for one in marked(place.seen(*DECISIONS), "two")} == {"leave-7"}
    for none in (["--target", "22"], ["--until", "2026-01-01T00:00:00Z"], ["--since", "2100-01-01T00:00:00Z"]):
        assert sum(replayed(place, "--mode", "re-emit", *none)["published"].values()) == 0


async def test_a_dry_run_publishes_nothing_and_reports_what_would_be_published(place: Place) -> None:
    before = decided(place)
    before_tables = await tables(place.database_url)
    found = replayed(place, "--mode", "re-emit", "--dry-run")
    assert (found["dry_run"], sum(found["published"].values())) == (True, len(before))
    assert place.seen(*DECISIONS) == before
    assert await tables(place.database_url) == before_tables


@pytest.mark.thorough
def test_the_result_is_printed(place: Place) -> None:
    decided(place)
    result = replay(place, "--mode", "re-emit", "--replay-id", "june")
    assert (result.code, result.err) == (
        0,
        "replay june; if it stops early, run the same command again with --replay-id june\n",
    )
    assert "Published 41 messages again, with the header ce_replayid: june." in result.out
    assert json.loads(replay(place, "--mode", "re-emit", "--replay-id", "june", "--json").out)["finished"] is True
