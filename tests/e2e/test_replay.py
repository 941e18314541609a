"""`unenroll replay` of topics and files: decided records change nothing, missing records are decided."""

import bz2
import gzip
import json
import lzma
import re
import secrets
import signal
from collections.abc import Callable
from pathlib import Path

import cramjam
import pexpect
import pytest
from confluent_kafka.admin import AdminClient

from support.cases import some
from support.commands import INPUTS, copy_topics, lines_of, publish_everything, replay, run_replay
from support.deployment import Deployment, first_answers
from support.events import leave_record, three_rewards
from support.files import leave_line, tables, write_file
from support.terminal import typed
from support.topics import NewRecord, produce
from support.workers import running_command, wait_until

CUSTOMERS = range(101, 111)
RECORDS = 5 * len(CUSTOMERS) + 3
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "ndjson": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda content: bytes(cramjam.zstd.compress(content)),
}


async def everything_there_is(deployment: Deployment) -> object:
    return await tables(deployment.database_url), deployment.consume(), deployment.consume(*INPUTS)


async def test_a_replay_of_topics_that_are_decided_changes_nothing(deployment: Deployment) -> None:
    publish_everything(deployment, CUSTOMERS)
    deployment.catch_up()
    before = await everything_there_is(deployment)
    found = run_replay(deployment, "--from-topics")
    assert (found["read"], found["missing"], found["outcomes"]) == (RECORDS, 0, {})
    assert (found["decided_before"], found["dead_lettered_before"]) == (RECORDS - 2, 2)
    assert await everything_there_is(deployment) == before


async def test_a_replay_of_a_copy_of_the_topics_changes_nothing(deployment: Deployment) -> None:
    publish_everything(deployment, CUSTOMERS)
    deployment.catch_up()
    prefix = await copy_topics(deployment, {word: deployment.consume(word) for word in INPUTS})
    before = await everything_there_is(deployment)
    found = run_replay(deployment, "--from-topics", "--source-prefix", prefix)
    assert (found["read"], found["decided_before"], found["dead_lettered_before"]) == (RECORDS, RECORDS - 2, 2)
    assert await everything_there_is(deployment) == before


async def test_a_copy_of_one_topic_is_enough(deployment: Deployment) -> None:
    deployment.request(map(leave_record, CUSTOMERS))
    deployment.catch_up()
    prefix = await copy_topics(deployment, {"requests": deployment.consume("requests")})
    admin = AdminClient({"bootstrap.servers": deployment.kafka})
    admin.delete_topics([f"{prefix}facts"])[f"{prefix}facts"].result()
    wait_until(lambda: f"{prefix}facts" not in admin.list_topics(timeout=5).topics, "the topic to go")
    assert run_replay(deployment, "--from-topics", "--source-prefix", prefix)["decided_before"] == len(CUSTOMERS)


@pytest.mark.thorough
def test_an_interrupt_ends_a_replay_that_waits_for_somebody_to_type(deployment: Deployment) -> None:
    terminal = typed("replay", "-", environment=deployment.environment)
    terminal.sendline(leave_line(1))
    terminal.expect(rb"[1-9][0-9]*/\? bytes")
    terminal.sendintr()
    terminal.expect_exact(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130


@pytest.mark.parametrize("kind", some(PACKED, always={"ndjson"}))
async def test_a_file_of_decided_records_changes_nothing(deployment: Deployment, tmp_path: Path, kind: str) -> None:
    deployment.publish(leave_line(customer) for customer in CUSTOMERS)
    deployment.catch_up()
    before = await everything_there_is(deployment)
    file = tmp_path / "export"  # the content says how it is compressed, not the name
    file.write_bytes(PACKED[kind]("\n".join(lines_of(deployment.consume("requests"))).encode()))
    found = run_replay(deployment, str(file))
    assert (found["read"], found["decided_before"], found["missing"]) == (len(CUSTOMERS), len(CUSTOMERS), 0)
    assert await everything_there_is(deployment) == before


async def test_missing_records_are_decided_and_reported(deployment: Deployment, tmp_path: Path) -> None:
    publish_everything(deployment, CUSTOMERS)
    deployment.load(line for customer in (201, 202) for line in three_rewards(customer))
    deployment.catch_up()
    records = {word: deployment.consume(word) for word in INPUTS}
    prefix = await copy_topics(deployment, records)
    more = [leave_record(201), leave_record(202), leave_record(203), NewRecord(key=b"8", value=b"[")]
    copy = Deployment(kafka=deployment.kafka, database_url=deployment.database_url, prefix=prefix, folder=tmp_path)
    copy.request(more)
    report = tmp_path / "report.json"
    with running_command("run", environment=deployment.environment) as worker:
        found = run_replay(deployment, "--from-topics", "--source-prefix", prefix, "--report", str(report))
        worker.send_signal(signal.SIGTERM)
        assert worker.wait() == 0
    assert (found["missing"], found["undecided"]) == (4, 0)
    assert found["outcomes"] == {"NOT_ENROLLED": 1, "UNENROLLED": 2}
    assert found["dead_lettered"] == {"not_json": 1}
    published = first_answers(deployment.consume())
    assert published["leave-201"] == published["leave-202"] == ["unenroll.UserUnenrolled.v1"]
    original = {(produce.key, produce.value, tuple(produce.headers)) for produce in more}
    assert {(one.key, one.value, one.headers) for one in deployment.consume("requests")} >= original
    assert len(deployment.consume("requests")) == len(records["requests"]) + len(more)
    assert json.loads(report.read_text()) == found
    before = await everything_there_is(deployment)
    assert run_replay(deployment, "--from-topics", "--source-prefix", prefix)["missing"] == 0
    assert await everything_there_is(deployment) == before


def test_at_most_ahead_records_are_in_flight(deployment: Deployment, tmp_path: Path) -> None:
    file = write_file(tmp_path, [leave_line(customer) for customer in CUSTOMERS])
    result = replay(deployment, str(file.path), "--ahead", "2", "--patience", "1")
    assert "the lanes made no progress for 1 s with 2 records in flight" in result.err
    assert len(deployment.consume("requests")) == 2


def test_a_replay_without_a_worker_gives_up_and_the_next_worker_decides_what_was_sent(
    deployment: Deployment, tmp_path: Path
) -> None:
    file = write_file(tmp_path, [leave_line(customer) for customer in CUSTOMERS])
    result = replay(deployment, str(file.path), "--patience", "1")
    assert result.code == 1
    assert "the lanes made no progress for 1 s with 10 records in flight" in result.err
    deployment.catch_up()
    assert run_replay(deployment, str(file.path))["decided_before"] == len(CUSTOMERS)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_replay_that_is_stopped_and_repeated_decides_each_record_once(
    deployment: Deployment, tmp_path: Path, number: signal.Signals
) -> None:
    file = write_file(tmp_path, [leave_line(customer) for customer in CUSTOMERS])
    arguments = ("replay", str(file.path), "--rate", "0.5")
    with (
        running_command("run", environment=deployment.environment) as worker,
        running_command(*arguments, environment=deployment.environment) as first,
    ):
        wait_until(lambda: len(deployment.consume("requests")) >= 2, "the replay to send records", show=first.output)
        first.send_signal(number)
        assert first.wait() in {-signal.SIGKILL, 1}
        assert len(deployment.consume("requests")) < len(CUSTOMERS)
        if number is signal.SIGINT:
            assert "unenroll: stopped; to continue, run the same command again\n" in first.output()
        found = run_replay(deployment, str(file.path))
        worker.send_signal(signal.SIGTERM)
        assert worker.wait() == 0
    assert found["decided_before"] + found["missing"] == len(CUSTOMERS)
    assert {name: len(events) for name, events in first_answers(deployment.consume()).items()} == dict.fromkeys(
        (f"leave-{customer}" for customer in CUSTOMERS), 1
    )


async def test_a_stopped_replay_of_topics_prints_how_to_continue(deployment: Deployment) -> None:
    deployment.request(map(leave_record, CUSTOMERS))
    prefix = await copy_topics(deployment, {"requests": deployment.consume("requests")})
    options = ("replay", "--from-topics", "--source-prefix", prefix, "--no-wait")
    with running_command(*options, "--rate", "0.5", environment=deployment.environment) as first:
        wait_until(lambda: len(deployment.consume("requests")) > len(CUSTOMERS), "the replay to send records")
        first.send_signal(signal.SIGINT)
        assert first.wait() == 1
        (more,) = re.findall(r"to continue, run the same command again with (.*)$", first.output(), re.MULTILINE)
    sent = len(deployment.consume("requests")) - len(CUSTOMERS)
    found = run_replay(deployment, *options[1:], *more.split())
    assert (found["read"], found["undecided"]) == (len(CUSTOMERS) - sent, len(CUSTOMERS) - sent)


def test_a_dry_run_sends_nothing_and_reports_what_would_be_sent(deployment: Deployment, tmp_path: Path) -> None:
    file = write_file(tmp_path, [leave_line(customer) for customer in CUSTOMERS])
    found = run_replay(deployment, str(file.path), "--dry-run")
    assert (found["dry_run"], found["missing"], found["undecided"]) == (True, len(CUSTOMERS), 0)
    assert deployment.consume("requests") == []


def test_only_selected_records_are_replayed(deployment: Deployment, tmp_path: Path) -> None:
    times = [f"2026-03-{day}T00:00:00Z" for day in range(10, 20)]
    lines = [leave_line(customer, at=at) for customer, at in zip(CUSTOMERS, times, strict=True)]
    file = write_file(tmp_path, [*lines, leave_line(300, targetId=22)])

    def chosen(*arguments: str) -> int:
        found = run_replay(deployment, str(file.path), "--dry-run", *arguments)
        assert found["missing"] + found["unchosen"] == len(lines) + 1
        return int(found["missing"])

    assert chosen("--customer", "101", "--customer", "300") == 2
    assert chosen("--target", "21") == len(lines)
    assert chosen("--customer", "101", "--customer", "300", "--target", "22") == 1
    assert chosen("--since", times[3], "--until", times[5]) == 2


async def test_offsets_and_times_select_records_of_topics(deployment: Deployment) -> None:
    prefix = await copy_topics(deployment, {})
    produce(deployment.kafka, f"{prefix}requests", in_one_partition())
    options = ("--from-topics", "--source-prefix", prefix, "--dry-run")
    assert run_replay(deployment, *options, "--offsets", "requests/1:3-5")["read"] == 3
    assert run_replay(deployment, *options, "--offsets", "requests/1:8-")["read"] == 2
    assert run_replay(deployment, *options, "--since", "2026-01-01T00:00:00Z")["missing"] == len(CUSTOMERS)
    assert run_replay(deployment, *options, "--since", "2100-01-01T00:00:00Z")["read"] == 0
    assert run_replay(deployment, *options, "--until", "2026-01-01T00:00:00Z")["unchosen"] == len(CUSTOMERS)


def in_one_partition() -> list[NewRecord]:
    return [NewRecord(**{**vars(leave_record(customer)), "partition": 1}) for customer in CUSTOMERS]


WRONG = {
    "requests/1:3-99": (1, "partition 1 of requests has offsets 0 to 9; --offsets asks for 3 to 99"),
    "requests/7:0-1": (1, "partition 7 of requests does not exist"),
    "facts/1:5-6": (1, "partition 1 of facts is empty; --offsets asks for 5 to 6"),
    "requests/2:5-3": (2, "the last offset is before the first"),
    "rewards/2:5-3": (2, "must be like requests/0:100-199"),
}


def test_offsets_that_the_lanes_have_not_read_are_left_out(deployment: Deployment) -> None:
    deployment.request(map(leave_record, CUSTOMERS))
    deployment.catch_up()
    deployment.request(map(leave_record, range(201, 204)))
    found = run_replay(deployment, "--from-topics")
    assert (found["read"], found["unread"], found["missing"]) == (len(CUSTOMERS), 3, 0)
    assert "Left out 3 offsets that the lanes have not read yet" in replay(deployment, "--from-topics").out
    assert len(deployment.consume("requests")) == len(CUSTOMERS) + 3


def test_ranges_that_do_not_exist_are_refused(deployment: Deployment) -> None:
    deployment.request(in_one_partition())
    for offsets, (code, words) in WRONG.items():
        result = replay(deployment, "--from-topics", "--offsets", offsets)
        assert (result.code, words in result.err) == (code, True), result
    assert len(deployment.consume("requests")) == len(CUSTOMERS)


def test_a_missing_topic_is_named(deployment: Deployment) -> None:
    result = replay(deployment, "--from-topics", "--source-prefix", "nowhere.")
    assert (result.code, result.out) == (1, "")
    assert "Kafka has no topic nowhere.facts, nowhere.requests" in result.err


@pytest.mark.parametrize("kind", some([kind for kind in PACKED if kind != "ndjson"], always={"zst"}))
def test_a_file_that_is_cut_off_is_refused_before_anything_is_sent(
    deployment: Deployment, tmp_path: Path, kind: str
) -> None:
    lines = (leave_line(customer, reason=secrets.token_hex(100)) for customer in range(1, 10_000))
    whole = PACKED[kind]("\n".join(lines).encode())
    file = tmp_path / f"export.{kind}"
    file.write_bytes(whole[:-100])
    result = replay(deployment, str(file))
    assert (result.code, result.out) == (2, "")
    assert f"unenroll: {file} is damaged or truncated" in result.err
    assert deployment.consume("requests") == []


def test_a_file_of_another_kind_is_refused(deployment: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    result = replay(deployment, str(file))
    assert (result.code, result.err) == (2, f"unenroll: {file} does not begin with a line of JSON\n")


def test_bad_lines_are_reported_and_the_others_replayed(deployment: Deployment, tmp_path: Path) -> None:
    file = write_file(tmp_path, [leave_line(1), '{"type": "UnenrollRequested"}', leave_line(2)[:-9]])
    result = replay(deployment, str(file.path), "--no-wait")
    assert result.code == 1
    assert "unenroll: did not send 2 bad lines; replayed the others" in result.err
    assert len(deployment.consume("requests")) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("export.ndjson", "--offsets", "facts/0:1-"), "a replay of files takes no --offsets"),
        ((), "give either --from-topics or files to replay"),
        (("--from-topics", "--mode", "re-emit"), "--mode re-emit takes no --from-topics"),
        (("--mode", "compare", "--rate", "5", "--replay-id", "a"), "--mode compare takes no --rate, --replay-id"),
        (("--from-topics", "--replay-id", "a"), "--mode suppress takes no --replay-id"),
        (("--from-topics", "--since", "2026-03-15T00:00:00"), "must carry an offset"),
        (("--mode", "re-emit", "--replay-id", "a b"), "--replay-id a b: must be 1 to 64 letters"),
        (("--from-topics", "--report", "report.pdf"), "its name must end with .txt or .json"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    nowhere: Deployment, arguments: tuple[str, ...], words: str
) -> None:
    result = replay(nowhere, *arguments)
    assert (result.code, result.out) == (2, "")
    assert words in result.err


def test_a_newer_definition_is_sent_before_the_records_that_need_it(deployment: Deployment, tmp_path: Path) -> None:
    group = {"targetGroupId": 31, "name": "New", "version": 1, "active": True, "timeZone": "UTC"}
    cycle = {"periodName": "c1", "start": "2026-01-01T00:00:00Z", "end": "2027-01-01T00:00:00Z"}
    target = {"targetId": 41, "name": "N", "kind": "MILESTONE", "enrollment": "AUTOMATIC"}
    line = {"type": "TargetGroupDefined", "source": "/s", "id": "g", "time": "2026-01-01T00:00:00Z"}
    defined = json.dumps({**line, "data": {**group, "cycles": [cycle], "targets": [target]}})
    file = write_file(tmp_path, [defined, leave_line(1, targetGroupId=31, targetId=41)])
    with running_command("run", environment=deployment.environment) as worker:
        found = run_replay(deployment, str(file.path))
        worker.send_signal(signal.SIGTERM)
        assert worker.wait() == 0
    assert (found["definitions"], found["outcomes"]) == (1, {"UNENROLLED": 1})
    assert run_replay(deployment, str(file.path))["definitions"] == 0
