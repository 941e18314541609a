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
from support.deployment import Deployment
from support.events import ABC, definition, leave_record, three_rewards
from support.files import CommandResult, command, tables
from support.terminal import typed, without_clock
from support.topics import NewRecord
from support.workers import running_command, wait_until
from unenroll.cli.render.status import database_tables
from unenroll.cli.worker import defaults
from unenroll.ops.status import Status
from unenroll.sandbox.process import launch
from unenroll.sandbox.servers import ServerPair
from unenroll.settings import WorkerSettings
from unenroll.text import render_text

NOTHING = "\N{EN DASH}"
DUPLICATES = "Duplicates are not counted here: they leave no row. The workers' logs report them."


def ask(deployment: Deployment, *options: str, **settings: str) -> CommandResult:
    return command("status", *options, environment={**deployment.environment, **settings})


def asked(deployment: Deployment, **settings: str) -> dict[str, Any]:
    result = ask(deployment, "--json", **settings)
    assert (result.code, result.err) == (0, "")
    found: dict[str, Any] = json.loads(result.out)
    return found


def of_requests(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in status["partitions"] if one["topic"].endswith("requests")]


def on(partition: int, put: NewRecord) -> NewRecord:
    return NewRecord(**{**vars(put), "partition": partition})


def lines(result: CommandResult) -> list[list[str]]:
    """The lines in a pipe, by their columns."""
    return [without_clock(line).split() for line in result.out.splitlines()]


def test_a_group_that_never_committed_has_its_lag_and_the_age_of_its_oldest_record(deployment: Deployment) -> None:
    deployment.request([on(2, leave_record(customer)) for customer in (1, 2, 3)])
    status = asked(deployment)
    received = of_requests(status)[2]
    assert (received["committed"], received["decided"], received["end"], received["lag"]) == (None, None, 3, 3)
    assert 0 <= received["age_seconds"] < 60
    assert datetime.fromisoformat(received["oldest"]) > datetime.now(UTC) - timedelta(minutes=1)
    others = [one for one in status["partitions"] if one is not received]
    assert {(one["committed"], one["end"], one["lag"], one["age_seconds"]) for one in others} == {(None, 0, 0, None)}
    assert status["lanes"] == [
        {"lane": number, "owner": None, "epoch": 0, "sequence": 0, "published": 0} for number in range(4)
    ]
    assert status["requests"] == status["facts"] == status["dead_letters"] == {}


def test_a_group_that_begins_at_the_end_has_nothing_to_do(deployment: Deployment) -> None:
    deployment.request([on(2, leave_record(1))])
    assert {one["lag"] for one in asked(deployment, UNENROLL_START="latest")["partitions"]} == {0}


def test_what_was_decided_is_counted_and_no_lag_is_left(deployment: Deployment) -> None:
    deployment.load(three_rewards(1))
    deployment.request(
        [on(1, put) for put in (leave_record(1), leave_record(1), leave_record(2), NewRecord(key=b"1", value=b"{"))]
    )
    deployment.catch_up()
    status = asked(deployment)
    received = of_requests(status)[1]
    # The duplicate has an offset and no number.
    assert (received["committed"], received["decided"], received["end"], received["lag"], received["age_seconds"]) == (
        4,
        4,
        4,
        0,
        None,
    )
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


async def test_the_oldest_record_that_is_not_done_yet_gives_the_age(deployment: Deployment) -> None:
    now = datetime.now(UTC)
    ages = {0: timedelta(days=3), 1: timedelta(hours=2), 2: timedelta(minutes=5)}
    producer = Producer({"bootstrap.servers": deployment.kafka})
    for age in ages.values():
        at = int((now - age).timestamp() * 1000)
        producer.produce(f"{deployment.prefix}requests", value=b"{}", key=b"1", partition=3, timestamp=at)
    assert producer.flush(30) == 0
    deployment.commit([TopicPartition(f"{deployment.prefix}requests", 3, 1)])
    received = of_requests(asked(deployment))[3]
    assert (received["committed"], received["lag"]) == (1, 2)
    assert received["age_seconds"] == pytest.approx(7200, abs=120)
    assert ["requests", "3", "1", NOTHING, "3", "2", NOTHING, "2", "h", "old"] in lines(ask(deployment))


def test_a_lag_of_markers_alone_has_no_oldest_record(deployment: Deployment) -> None:
    producer = Producer({"bootstrap.servers": deployment.kafka, "transactional.id": f"{deployment.prefix}upstream"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(f"{deployment.prefix}requests", value=b"{}", key=b"1", partition=0)
    producer.flush(30)
    producer.abort_transaction(30)
    received = of_requests(asked(deployment))[0]
    assert (received["end"], received["lag"], received["oldest"]) == (2, 2, None)
    assert "only transaction markers" in ask(deployment).out


def test_records_that_were_deleted_before_they_were_processed_are_reported(deployment: Deployment) -> None:
    deployment.request([on(0, leave_record(1)), on(0, leave_record(2))])
    deployment.commit([TopicPartition(f"{deployment.prefix}requests", 0, 0)])
    deployment.delete_records()
    received = of_requests(asked(deployment))[0]
    assert (received["committed"], received["end"], received["lag"], received["gone"]) == (0, 2, 0, 2)
    assert "2 offsets deleted from the topic before a worker processed them" in ask(deployment).out


def test_each_lane_names_the_worker_that_has_it(deployment: Deployment) -> None:
    with (
        running_command("run", environment=deployment.environment) as one,
        running_command("run", environment=deployment.environment) as other,
    ):
        wait_until(lambda: sorted(_lanes_of_owners(deployment)) == [2, 2], "two workers to share four lanes")
        result = ask(deployment)
        assert (result.code, result.err) == (0, "")
        assert len([line for line in lines(result) if line and line[-1].startswith("unenroll-")]) == 4
        for worker in (one, other):
            worker.send_signal(signal.SIGTERM)
        assert (one.wait(), other.wait()) == (0, 0)
    assert _lanes_of_owners(deployment) == []


def _lanes_of_owners(deployment: Deployment) -> list[int]:
    return list(Counter(lane["owner"] for lane in asked(deployment)["lanes"] if lane["owner"]).values())


async def test_it_changes_nothing_and_waits_for_no_lock(deployment: Deployment) -> None:
    deployment.load(three_rewards(1))
    deployment.request([leave_record(1)])
    deployment.catch_up()
    deployment.request([on(1, leave_record(2))])
    before = await tables(deployment.database_url), _committed(deployment)
    worker = await asyncpg.connect(deployment.database_url)
    async with worker.transaction():
        # Everything but reading waits for this.
        await worker.execute("lock table lanes, ledger, dead_letters, target_groups in exclusive mode")
        assert asked(deployment)["requests"] == {"UNENROLLED": 1}
    await worker.close()
    assert (await tables(deployment.database_url), _committed(deployment)) == before


def _committed(deployment: Deployment) -> list[int]:
    reader = Consumer({"bootstrap.servers": deployment.kafka, "group.id": deployment.group_id})
    found = reader.committed(
        [TopicPartition(f"{deployment.prefix}requests", number) for number in range(4)], timeout=30
    )
    reader.close()
    return [one.offset for one in found]


async def test_lanes_are_shown_before_the_rows_are_counted(deployment: Deployment) -> None:
    deployment.load(three_rewards(1))
    locking = await asyncpg.connect(deployment.database_url)
    with running_command("status", environment=deployment.environment) as status:
        async with locking.transaction():
            await locking.execute("lock table ledger in access exclusive mode")
            status.wait_for_log("oldest unprocessed")
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
    received = json.loads(TypeAdapter(Status).dump_json(found))
    assert (received["requests"], received["facts"]) == (None, None)
    assert received["estimates"] == {"ledger": 200_000_000, "erased_customers": None}


async def test_refused_definitions_are_listed_latest_first(deployment: Deployment) -> None:
    await deployment.execute(
        "insert into definition_refusals select 'id', 0, number, 11, number, 'definition_refused', "
        "'Version ' || number || ' of group 11 moves cycle \x1b[31mc1.', now() + number * interval '1 second' "
        "from generate_series(1, 21) as number"
    )
    assert [one["version"] for one in asked(deployment)["refusals"]] == list(range(21, 1, -1))
    result = ask(deployment)
    assert "Version 21 of group 11 moves cycle \N{REPLACEMENT CHARACTER}[31mc1." in result.out
    assert "\x1b" not in result.out


def test_a_pipe_gets_plain_lines(deployment: Deployment) -> None:
    deployment.load([definition({**ABC, "version": 2, "active": False}), *three_rewards(1)])
    deployment.request([on(1, leave_record(1))])
    deployment.catch_up()
    deployment.request([on(1, leave_record(2))])
    result = ask(deployment)
    assert (result.code, result.err) == (0, "")
    assert "\x1b" not in result.out
    (age,) = [line for line in lines(result) if line[:2] == ["requests", "1"]]
    assert (age[:6], age[-1]) == (["requests", "1", "1", "1", "2", "1"], "old")
    text = [line for line in lines(result) if line not in (age, DUPLICATES.split())]
    assert f"\n{DUPLICATES}\n" in result.out
    assert text == [
        ["Group", f"{deployment.group_id},", "topics", f"{deployment.prefix}*,", "<now>"],
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


def test_what_is_missing_is_said_in_one_line(deployment: Deployment) -> None:
    missing = ask(deployment, UNENROLL_TOPIC_PREFIX=f"{deployment.prefix}nowhere.")
    assert (missing.code, missing.out) == (1, "")
    assert missing.err == (
        f"unenroll: Kafka has no topic {deployment.prefix}nowhere.facts, {deployment.prefix}nowhere.requests; "
        "run `unenroll topics`\n"
    )


@pytest.mark.parametrize("name", [name for name, default in defaults(WorkerSettings).items() if default == "required"])
def test_a_setting_that_is_missing_is_wrong_usage(nowhere: Deployment, name: str) -> None:
    environment = {one: value for one, value in nowhere.environment.items() if one != name}
    result = command("status", environment=environment)
    assert (result.code, result.out, result.err) == (2, "", f"unenroll: {name} is not set\n")


@pytest.mark.thorough
def test_a_cluster_that_never_had_a_group_is_asked_until_it_answers(tmp_path: Path) -> None:
    file = tmp_path / "servers.env"
    cache = {name: value for name, value in os.environ.items() if name == "UNENROLL_CACHE"}
    with running_command("sandbox", "--env-file", str(file), environment=cache) as sandbox:
        wait_until(lambda: file.exists() or sandbox.ended, "the servers", show=sandbox.output)
        named = {name: value or "" for name, value in dotenv_values(file).items()}
        result = command("status", "--json", environment=named)
        assert (result.code, result.err) == (0, "")
        assert [lane["epoch"] for lane in json.loads(result.out)["lanes"]] == [0, 0, 0, 0]
        sandbox.send_signal(signal.SIGINT)
        assert sandbox.wait() == 0


def watched(deployment: Deployment, **settings: str) -> pexpect.spawn:
    """The status, refreshed twice a second on a terminal on which all of it has room."""
    environment = {**deployment.environment, "TERM": "xterm", **settings}
    return typed("status", "--watch", "--interval", "0.5", environment=environment, size=(80, 160))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_shows_the_numbers_as_they_change_until_a_signal(deployment: Deployment, number: int) -> None:
    deployment.load(three_rewards(1))
    terminal = watched(deployment)
    terminal.expect(rb"RewardEarned +3\b")
    deployment.load(three_rewards(2))
    terminal.expect(rb"RewardEarned +6\b")
    terminal.kill(number)
    terminal.expect_exact(pexpect.EOF)
    terminal.close()
    assert (terminal.exitstatus, terminal.signalstatus) == (0, None)
    assert b"\x1b[?25h" in terminal.before  # the cursor is visible again


@pytest.mark.thorough
def test_ctrl_c_ends_watch_while_kafka_does_not_answer(deployment: Deployment) -> None:
    with nobody_listens() as port:
        terminal = watched(deployment, UNENROLL_KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{port}")
        terminal.expect_exact(b"! Kafka ")
        terminal.sendintr()
        terminal.expect_exact(pexpect.EOF)
        terminal.close()
    assert (terminal.exitstatus, terminal.signalstatus) == (0, None)


@pytest.mark.thorough
async def test_watch_goes_on_when_a_server_is_back(pair: ServerPair, own_deployment: Deployment) -> None:
    terminal = watched(own_deployment)
    terminal.expect_exact(b"Input topics")
    await pair.postgres.stop()
    terminal.expect(rb"! Postgres [^\n]*\n[^\n]*Group ")
    back = await launch(pair.postgres.program)
    terminal.expect(rb"\x1b\[2K\x1b\[1mGroup ")  # drawn anew, with no line above it
    own_deployment.load(three_rewards(1))
    terminal.expect(rb"RewardEarned +3\b")
    terminal.sendintr()
    terminal.expect_exact(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    await back.stop()


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_watch_needs_a_terminal(nowhere: Deployment, more: tuple[str, ...]) -> None:
    result = ask(nowhere, "--watch", *more)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("unenroll: --watch needs a terminal; ")
