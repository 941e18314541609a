"""The command `status`: with lag and without, while workers run and while none does."""

import json
import os
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import asyncpg
import pexpect
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from dotenv import dotenv_values
from pydantic import TypeAdapter

from support.certificates import nobody_listens
from support.events import ABC, definition, leaves, three_rewards
from support.files import CommandResult, command, tables
from support.place import Place
from support.terminal import typed, without_clock
from support.topics import Put
from support.workers import running, wait_until
from unenroll.cli.render.status import database_tables
from unenroll.cli.worker import defaults
from unenroll.ops.status import Status
from unenroll.sandbox.process import launch
from unenroll.sandbox.servers import ServerPair
from unenroll.settings import WorkerSettings
from unenroll.text import render_text

NOTHING = "\N{EN DASH}"
DUPLICATES = "Duplicates are not counted here: they leave no row. The workers' logs report them."


def ask(place: Place, *options: str, **settings: str) -> CommandResult:
    return command("status", *options, environment={**place.environment, **settings})


def asked(place: Place, **settings: str) -> dict[str, Any]:
    said = ask(place, "--json", **settings)
    assert (said.code, said.err) == (0, "")
    found: dict[str, Any] = json.loads(said.out)
    return found


def of_requests(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in status["partitions"] if one["topic"].endswith("requests")]


def on(partition: int, put: Put) -> Put:
    return Put(**{**vars(put), "partition": partition})


def lines(said: CommandResult) -> list[list[str]]:
    """The lines in a pipe, by their columns."""
    return [without_clock(line).split() for line in said.out.splitlines()]


def test_a_group_that_never_committed_has_its_lag_and_the_age_of_its_oldest_record(place: Place) -> None:
    place.request([on(2, leaves(customer)) for customer in (1, 2, 3)])
    status = asked(place)
    told = of_requests(status)[2]
    assert (told["committed"], told["decided"], told["end"], told["lag"]) == (None, None, 3, 3)
    assert 0 <= told["age_seconds"] < 60
    assert datetime.fromisoformat(told["oldest"]) > datetime.now(UTC) - timedelta(minutes=1)
    others = [one for one in status["partitions"] if one is not told]
    assert {(one["committed"], one["end"], one["lag"], one["age_seconds"]) for one in others} == {(None, 0, 0, None)}
    assert status["lanes"] == [
        {"lane": number, "owner": None, "epoch": 0, "sequence": 0, "published": 0} for number in range(4)
    ]
    assert status["requests"] == status["facts"] == status["dead_letters"] == {}


def test_a_group_that_begins_at_the_end_has_nothing_to_do(place: Place) -> None:
    place.request([on(2, leaves(1))])
    assert {one["lag"] for one in asked(place, UNENROLL_START="latest")["partitions"]} == {0}


def test_what_was_decided_is_counted_and_no_lag_is_left(place: Place) -> None:
    place.load(three_rewards(1))
    place.request([on(1, put) for put in (leaves(1), leaves(1), leaves(2), Put(key=b"1", value=b"{"))])
    place.catch_up()
    status = asked(place)
    told = of_requests(status)[1]
    # The duplicate has an offset and no number.
    assert (told["committed"], told["decided"], told["end"], told["lag"], told["age_seconds"]) == (4, 4, 4, 0, None)
    assert [(lane["sequence"], lane["published"], lane["owner"]) for lane in status["lanes"]] == [
        *((0, 0, None), (3, 3, None), (0, 0, None), (0, 0, None))
    ]
    assert all(lane["epoch"] == 1 for lane in status["lanes"])
    assert status["requests"] == {"UNENROLLED": 1, "NOT_ENROLLED": 1}
    assert status["facts"] == {"CustomerEnrolled": 1, "RewardEarned": 3}
    assert status["dead_letters"] == {"not_json": 1}
    (group,) = status["definitions"]
    shown = {name: group[name] for name in ("group_id", "version", "name", "active", "cycles", "targets")}
    assert tuple(shown.values()) == (11, 1, "Spring campaign", True, 5, 1)


async def test_the_oldest_record_that_is_not_done_yet_gives_the_age(place: Place) -> None:
    now = datetime.now(UTC)
    ages = {0: timedelta(days=3), 1: timedelta(hours=2), 2: timedelta(minutes=5)}
    producer = Producer({"bootstrap.servers": place.kafka})
    for age in ages.values():
        at = int((now - age).timestamp() * 1000)
        producer.produce(f"{place.prefix}requests", value=b"{}", key=b"1", partition=3, timestamp=at)
    assert producer.flush(30) == 0
    place.commit([TopicPartition(f"{place.prefix}requests", 3, 1)])
    told = of_requests(asked(place))[3]
    assert (told["committed"], told["lag"]) == (1, 2)
    assert told["age_seconds"] == pytest.approx(7200, abs=120)
    assert ["requests", "3", "1", NOTHING, "3", "2", NOTHING, "2", "h", "old"] in lines(ask(place))


def test_a_lag_of_markers_alone_has_no_oldest_record(place: Place) -> None:
    producer = Producer({"bootstrap.servers": place.kafka, "transactional.id": f"{place.prefix}upstream"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(f"{place.prefix}requests", value=b"{}", key=b"1", partition=0)
    producer.flush(30)
    producer.abort_transaction(30)
    told = of_requests(asked(place))[0]
    assert (told["end"], told["lag"], told["oldest"]) == (2, 2, None)
    assert "only transaction markers" in ask(place).out


def test_records_that_were_deleted_before_they_were_processed_are_reported(place: Place) -> None:
    place.request([on(0, leaves(1)), on(0, leaves(2))])
    place.commit([TopicPartition(f"{place.prefix}requests", 0, 0)])
    place.delete_records()
    told = of_requests(asked(place))[0]
    assert (told["committed"], told["end"], told["lag"], told["gone"]) == (0, 2, 0, 2)
    assert "2 offsets deleted from the topic before a worker processed them" in ask(place).out


def test_each_lane_names_the_worker_that_has_it(place: Place) -> None:
    with running("run", environment=place.environment) as one, running("run", environment=place.environment) as other:
        wait_until(lambda: sorted(_lanes_of_owners(place)) == [2, 2], "two workers to share four lanes")
        said = ask(place)
        assert (said.code, said.err) == (0, "")
        assert len([line for line in lines(said) if line and line[-1].startswith("unenroll-")]) == 4
        for worker in (one, other):
            worker.tell(signal.SIGTERM)
        assert (one.wait(), other.wait()) == (0, 0)
    assert _lanes_of_owners(place) == []


def _lanes_of_owners(place: Place) -> list[int]:
    return list(Counter(lane["owner"] for lane in asked(place)["lanes"] if lane["owner"]).values())


async def test_it_changes_nothing_and_waits_for_no_lock(place: Place) -> None:
    place.load(three_rewards(1))
    place.request([leaves(1)])
    place.catch_up()
    place.request([on(1, leaves(2))])
    before = await tables(place.database_url), _committed(place)
    worker = await asyncpg.connect(place.database_url)
    async with worker.transaction():
        # Everything but reading waits for this.
        await worker.execute("lock table lanes, ledger, dead_letters, target_groups in exclusive mode")
        assert asked(place)["requests"] == {"UNENROLLED": 1}
    await worker.close()
    assert (await tables(place.database_url), _committed(place)) == before


def _committed(place: Place) -> list[int]:
    reader = Consumer({"bootstrap.servers": place.kafka, "group.id": place.group_id})
    found = reader.committed([TopicPartition(f"{place.prefix}requests", number) for number in range(4)], timeout=30)
    reader.close()
    return [one.offset for one in found]


async def test_lanes_are_shown_before_the_rows_are_counted(place: Place) -> None:
    place.load(three_rewards(1))
    locking = await asyncpg.connect(place.database_url)
    with running("status", environment=place.environment) as status:
        async with locking.transaction():
            await locking.execute("lock table ledger in access exclusive mode")
            status.wait_to_say("oldest unprocessed")
            assert not status.ended
            assert "Requests by outcome" not in status.output()
        assert status.wait() == 0
        assert "RewardEarned      3" in status.output()
    await locking.close()


def test_a_count_that_took_too_long_is_never_none() -> None:
    found = Status(
        at=datetime.now(UTC),
        topic_prefix="t.",
        group_id="g",
        lanes=(),
        partitions=(),
        dead_letters={},
        erased=0,
        estimates={"ledger": 200_000_000, "erased_customers": None},
    )
    lines = render_text(database_tables(found), StringIO()).splitlines()
    assert lines[:5] == [
        *("Requests by outcome, each event once", "  not counted, see the estimate below", ""),
        *("Facts by type, each event once", "  not counted, see the estimate below"),
    ]
    assert "Table ledger, which takes too long to count: about 200,000,000 rows (estimate)" in lines
    assert "Table erased_customers, which takes too long to count: no estimate: Postgres has not analyzed it" in lines
    told = json.loads(TypeAdapter(Status).dump_json(found))
    assert (told["requests"], told["facts"]) == (None, None)
    assert told["estimates"] == {"ledger": 200_000_000, "erased_customers": None}


async def test_refused_definitions_are_listed_latest_first(place: Place) -> None:
    await place.execute(
        "insert into definition_refusals select 'id', 0, number, 11, number, 'definition_refused', "
        "'Version ' || number || ' of group 11 moves cycle \x1b[31mc1.', now() + number * interval '1 second' "
        "from generate_series(1, 21) as number"
    )
    assert [one["version"] for one in asked(place)["refusals"]] == list(range(21, 1, -1))
    said = ask(place)
    assert "Version 21 of group 11 moves cycle \N{REPLACEMENT CHARACTER}[31mc1." in said.out
    assert "\x1b" not in said.out


def test_a_pipe_gets_plain_lines(place: Place) -> None:
    place.load([definition({**ABC, "version": 2, "active": False}), *three_rewards(1)])
    place.request([on(1, leaves(1))])
    place.catch_up()
    place.request([on(1, leaves(2))])
    said = ask(place)
    assert (said.code, said.err) == (0, "")
    assert "\x1b" not in said.out
    (age,) = [line for line in lines(said) if line[:2] == ["requests", "1"]]
    assert (age[:6], age[-1]) == (["requests", "1", "1", "1", "2", "1"], "old")
    text = [line for line in lines(said) if line not in (age, DUPLICATES.split())]
    assert f"\n{DUPLICATES}\n" in said.out
    assert text == [
        ["Group", f"{place.group_id},", "topics", f"{place.prefix}*,", "<now>"],
        [],
        ["Lanes"],
        ["lane", "epoch", "decisions", "published", "worker"],
        *([str(number), "1", str(int(number == 1)), str(int(number == 1)), NOTHING] for number in range(4)),
        [],
        ["Input", "topics"],
        ["topic", "partition", "committed", "decided", "end", "lag", "withheld", "oldest", "unprocessed"],
        *(["facts", str(number), "0", "0", "0", "0", NOTHING, NOTHING] for number in range(4)),
        *(["requests", str(number), "0", "0", "0", "0", NOTHING, NOTHING] for number in (0, 2, 3)),
        [],
        ["Requests", "by", "outcome,", "each", "event", "once"],
        ["GROUP_NOT_FOUND", "1"],
        [],
        ["Facts", "by", "type,", "each", "event", "once"],
        ["CustomerEnrolled", "1"],
        ["RewardEarned", "3"],
        [],
        [],
        ["Dead", "letters", "by", "reason"],
        ["none"],
        [],
        ["Definitions"],
        ["group", "version", "name", "active", "cycles", "targets"],
        ["11", "2", "Spring", "campaign", "no", "5", "1"],
    ]


def test_what_is_missing_is_said_in_one_line(place: Place) -> None:
    missing = ask(place, UNENROLL_TOPIC_PREFIX=f"{place.prefix}nowhere.")
    assert (missing.code, missing.out) == (1, "")
    assert missing.err == (
        f"unenroll: Kafka has no topic {place.prefix}nowhere.facts, {place.prefix}nowhere.requests; "
        "run `unenroll topics`\n"
    )


@pytest.mark.parametrize("name", [name for name, default in defaults(WorkerSettings).items() if default == "required"])
def test_a_setting_that_is_missing_is_wrong_usage(nowhere: Place, name: str) -> None:
    environment = {one: value for one, value in nowhere.environment.items() if one != name}
    said = command("status", environment=environment)
    assert (said.code, said.out, said.err) == (2, "", f"unenroll: {name} is not set\n")


@pytest.mark.thorough
def test_a_cluster_that_never_had_a_group_is_asked_until_it_answers(tmp_path: Path) -> None:
    file = tmp_path / "servers.env"
    cache = {name: value for name, value in os.environ.items() if name == "UNENROLL_CACHE"}
    with running("sandbox", "--env-file", str(file), environment=cache) as sandbox:
        wait_until(lambda: file.exists() or sandbox.ended, "the servers", show=sandbox.output)
        named = {name: value or "" for name, value in dotenv_values(file).items()}
        said = command("status", "--json", environment=named)
        assert (said.code, said.err) == (0, "")
        assert [lane["epoch"] for lane in json.loads(said.out)["lanes"]] == [0, 0, 0, 0]
        sandbox.tell(signal.SIGINT)
        assert sandbox.wait() == 0


def watched(place: Place, **settings: str) -> pexpect.spawn:
    """The status, refreshed twice a second on a terminal on which all of it has room."""
    environment = {**place.environment, "TERM": "xterm", **settings}
    return typed("status", "--watch", "--interval", "0.5", environment=environment, size=(80, 160))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_shows_the_numbers_as_they_change_until_a_signal(place: Place, number: int) -> None:
    place.load(three_rewards(1))
    terminal = watched(place)
    terminal.expect(rb"RewardEarned +3\b")
    place.load(three_rewards(2))
    terminal.expect(rb"RewardEarned +6\b")
    terminal.kill(number)
    terminal.expect_exact(pexpect.EOF)
    terminal.close()
    assert (terminal.exitstatus, terminal.signalstatus) == (0, None)
    assert b"\x1b[?25h" in terminal.before  # the cursor is visible again


@pytest.mark.thorough
def test_ctrl_c_ends_watch_while_kafka_does_not_answer(place: Place) -> None:
    with nobody_listens() as port:
        terminal = watched(place, UNENROLL_KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{port}")
        terminal.expect_exact(b"! Kafka ")
        terminal.sendintr()
        terminal.expect_exact(pexpect.EOF)
        terminal.close()
    assert (terminal.exitstatus, terminal.signalstatus) == (0, None)


@pytest.mark.thorough
async def test_watch_goes_on_when_a_server_is_back(pair: ServerPair, own_place: Place) -> None:
    terminal = watched(own_place)
    terminal.expect_exact(b"Input topics")
    await pair.postgres.stop()
    terminal.expect(rb"! Postgres [^\n]*\n[^\n]*Group ")
    back = await launch(pair.postgres.program)
    terminal.expect(rb"\x1b\[2K\x1b\[1mGroup ")  # drawn anew, with no line above it
    own_place.load(three_rewards(1))
    terminal.expect(rb"RewardEarned +3\b")
    terminal.sendintr()
    terminal.expect_exact(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    await back.stop()


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_watch_needs_a_terminal(nowhere: Place, more: tuple[str, ...]) -> None:
    said = ask(nowhere, "--watch", *more)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("unenroll: --watch needs a terminal; ")
