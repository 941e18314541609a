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
from support.commands import INPUTS, copied, everything, lines_of, replay, replayed
from support.events import leaves, three_rewards
from support.files import leave, tables, written
from support.place import Place, answers
from support.terminal import typed
from support.topics import Put, put
from support.workers import running, wait_until

CUSTOMERS = range(101, 111)
RECORDS = 5 * len(CUSTOMERS) + 3
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "ndjson": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda content: bytes(cramjam.zstd.compress(content)),
}


async def everything_there_is(place: Place) -> object:
    return await tables(place.database_url), place.seen(), place.seen(*INPUTS)


async def test_a_replay_of_topics_that_are_decided_changes_nothing(place: Place) -> None:
    everything(place, CUSTOMERS)
    place.catch_up()
    before = await everything_there_is(place)
    found = replayed(place, "--from-topics")
    assert (found["read"], found["missing"], found["outcomes"]) == (RECORDS, 0, {})
    assert (found["decided_before"], found["dead_lettered_before"]) == (RECORDS - 2, 2)
    assert await everything_there_is(place) == before


async def test_a_replay_of_a_copy_of_the_topics_changes_nothing(place: Place) -> None:
    everything(place, CUSTOMERS)
    place.catch_up()
    prefix = await copied(place, {word: place.seen(word) for word in INPUTS})
    before = await everything_there_is(place)
    found = replayed(place, "--from-topics", "--source-prefix", prefix)
    assert (found["read"], found["decided_before"], found["dead_lettered_before"]) == (RECORDS, RECORDS - 2, 2)
    assert await everything_there_is(place) == before


async def test_a_copy_of_one_topic_is_enough(place: Place) -> None:
    place.request(map(leaves, CUSTOMERS))
    place.catch_up()
    prefix = await copied(place, {"requests": place.seen("requests")})
    admin = AdminClient({"bootstrap.servers": place.kafka})
    admin.delete_topics([f"{prefix}facts"])[f"{prefix}facts"].result()
    wait_until(lambda: f"{prefix}facts" not in admin.list_topics(timeout=5).topics, "the topic to go")
    assert replayed(place, "--from-topics", "--source-prefix", prefix)["decided_before"] == len(CUSTOMERS)


@pytest.mark.thorough
def test_an_interrupt_ends_a_replay_that_waits_for_somebody_to_type(place: Place) -> None:
    terminal = typed("replay", "-", environment=place.environment)
    terminal.sendline(leave(1))
    terminal.expect(rb"[1-9][0-9]*/\? bytes")
    terminal.sendintr()
    terminal.expect_exact(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130


@pytest.mark.parametrize("kind", some(PACKED, always={"ndjson"}))
async def test_a_file_of_decided_records_changes_nothing(place: Place, tmp_path: Path, kind: str) -> None:
    place.tell(leave(customer) for customer in CUSTOMERS)
    place.catch_up()
    before = await everything_there_is(place)
    file = tmp_path / "export"  # the content says how it is compressed, not the name
    file.write_bytes(PACKED[kind]("\n".join(lines_of(place.seen("requests"))).encode()))
    found = replayed(place, str(file))
    assert (found["read"], found["decided_before"], found["missing"]) == (len(CUSTOMERS), len(CUSTOMERS), 0)
    assert await everything_there_is(place) == before


async def test_missing_records_are_decided_and_reported(place: Place, tmp_path: Path) -> None:
    everything(place, CUSTOMERS)
    place.load(line for customer in (201, 202) for line in three_rewards(customer))
    place.catch_up()
    records = {word: place.seen(word) for word in INPUTS}
    prefix = await copied(place, records)
    more = [leaves(201), leaves(202), leaves(203), Put(key=b"8", value=b"[")]
    copy = Place(kafka=place.kafka, database_url=place.database_url, prefix=prefix, folder=tmp_path)
    copy.request(more)
    report = tmp_path / "report.json"
    with running("run", environment=place.environment) as worker:
        found = replayed(place, "--from-topics", "--source-prefix", prefix, "--report", str(report))
        worker.tell(signal.SIGTERM)
        assert worker.wait() == 0
    assert (found["missing"], found["undecided"]) == (4, 0)
    assert found["outcomes"] == {"NOT_ENROLLED": 1, "UNENROLLED": 2}
    assert found["dead_lettered"] == {"not_json": 1}
    published = answers(place.seen())
    assert published["leave-201"] == published["leave-202"] == ["unenroll.UserUnenrolled.v1"]
    original = {(put.key, put.value, tuple(put.headers)) for put in more}
    assert {(one.key, one.value, one.headers) for one in place.seen("requests")} >= original
    assert len(place.seen("requests")) == len(records["requests"]) + len(more)
    assert json.loads(report.read_text()) == found
    before = await everything_there_is(place)
    assert replayed(place, "--from-topics", "--source-prefix", prefix)["missing"] == 0
    assert await everything_there_is(place) == before


def test_at_most_ahead_records_are_in_flight(place: Place, tmp_path: Path) -> None:
    file = written(tmp_path, [leave(customer) for customer in CUSTOMERS])
    result = replay(place, str(file.path), "--ahead", "2", "--patience", "1")
    assert "the lanes made no progress for 1 s with 2 records in flight" in result.err
    assert len(place.seen("requests")) == 2


def test_a_replay_without_a_worker_gives_up_and_the_next_worker_decides_what_was_sent(
    place: Place, tmp_path: Path
) -> None:
    file = written(tmp_path, [leave(customer) for customer in CUSTOMERS])
    result = replay(place, str(file.path), "--patience", "1")
    assert result.code == 1
    assert "the lanes made no progress for 1 s with 10 records in flight" in result.err
    place.catch_up()
    assert replayed(place, str(file.path))["decided_before"] == len(CUSTOMERS)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_replay_that_is_stopped_and_repeated_decides_each_record_once(
    place: Place, tmp_path: Path, number: signal.Signals
) -> None:
    file = written(tmp_path, [leave(customer) for customer in CUSTOMERS])
    arguments = ("replay", str(file.path), "--rate", "0.5")
    with (
        running("run", environment=place.environment) as worker,
        running(*arguments, environment=place.environment) as first,
    ):
        wait_until(lambda: len(place.seen("requests")) >= 2, "the replay to send records", show=first.output)
        first.tell(number)
        assert first.wait() in {-signal.SIGKILL, 1}
        assert len(place.seen("requests")) < len(CUSTOMERS)
        if number is signal.SIGINT:
            assert "unenroll: stopped; to continue, run the same command again\n" in first.output()
        found = replayed(place, str(file.path))
        worker.tell(signal.SIGTERM)
        assert worker.wait() == 0
    assert found["decided_before"] + found["missing"] == len(CUSTOMERS)
    assert {name: len(events) for name, events in answers(place.seen()).items()} == dict.fromkeys(
        (f"leave-{customer}" for customer in CUSTOMERS), 1
    )


async def test_a_stopped_replay_of_topics_prints_how_to_continue(place: Place) -> None:
    place.request(map(leaves, CUSTOMERS))
    prefix = await copied(place, {"requests": place.seen("requests")})
    options = ("replay", "--from-topics", "--source-prefix", prefix, "--no-wait")
    with running(*options, "--rate", "0.5", environment=place.environment) as first:
        wait_until(lambda: len(place.seen("requests")) > len(CUSTOMERS), "the replay to send records")
        first.tell(signal.SIGINT)
        assert first.wait() == 1
        (more,) = re.findall(r"to continue, run the same command again with (.*)$", first.output(), re.MULTILINE)
    sent = len(place.seen("requests")) - len(CUSTOMERS)
    found = replayed(place, *options[1:], *more.split())
    assert (found["read"], found["undecided"]) == (len(CUSTOMERS) - sent, len(CUSTOMERS) - sent)


def test_a_dry_run_sends_nothing_and_reports_what_would_be_sent(place: Place, tmp_path: Path) -> None:
    file = written(tmp_path, [leave(customer) for customer in CUSTOMERS])
    found = replayed(place, str(file.path), "--dry-run")
    assert (found["dry_run"], found["missing"], found["undecided"]) == (True, len(CUSTOMERS), 0)
    assert place.seen("requests") == []


def test_only_selected_records_are_replayed(place: Place, tmp_path: Path) -> None:
    times = [f"2026-03-{day}T00:00:00Z" for day in range(10, 20)]
    lines = [leave(customer, at=at) for customer, at in zip(CUSTOMERS, times, strict=True)]
    file = written(tmp_path, [*lines, leave(300, targetId=22)])

    def chosen(*arguments: str) -> int:
        found = replayed(place, str(file.path), "--dry-run", *arguments)
        assert found["missing"] + found["unchosen"] == len(lines) + 1
        return int(found["missing"])

    assert chosen("--customer", "101", "--customer", "300") == 2
    assert chosen("--target", "21") == len(lines)
    assert chosen("--customer", "101", "--customer", "300", "--target", "22") == 1
    assert chosen("--since", times[3], "--until", times[5]) == 2


async def test_offsets_and_times_select_records_of_topics(place: Place) -> None:
    prefix = await copied(place, {})
    put(place.kafka, f"{prefix}requests", in_one_partition())
    options = ("--from-topics", "--source-prefix", prefix, "--dry-run")
    assert replayed(place, *options, "--offsets", "requests/1:3-5")["read"] == 3
    assert replayed(place, *options, "--offsets", "requests/1:8-")["read"] == 2
    assert replayed(place, *options, "--since", "2026-01-01T00:00:00Z")["missing"] == len(CUSTOMERS)
    assert replayed(place, *options, "--since", "2100-01-01T00:00:00Z")["read"] == 0
    assert replayed(place, *options, "--until", "2026-01-01T00:00:00Z")["unchosen"] == len(CUSTOMERS)


def in_one_partition() -> list[Put]:
    return [Put(**{**vars(leaves(customer)), "partition": 1}) for customer in CUSTOMERS]


WRONG = {
    "requests/1:3-99": (1, "partition 1 of requests has offsets 0 to 9; --offsets asks for 3 to 99"),
    "requests/7:0-1": (1, "partition 7 of requests does not exist"),
    "facts/1:5-6": (1, "partition 1 of facts is empty; --offsets asks for 5 to 6"),
    "requests/2:5-3": (2, "the last offset is before the first"),
    "rewards/2:5-3": (2, "must be like requests/0:100-199"),
}


def test_offsets_that_the_lanes_have_not_read_are_left_out(place: Place) -> None:
    place.request(map(leaves, CUSTOMERS))
    place.catch_up()
    place.request(map(leaves, range(201, 204)))
    found = replayed(place, "--from-topics")
    assert (found["read"], found["unread"], found["missing"]) == (len(CUSTOMERS), 3, 0)
    assert "Left out 3 offsets that the lanes have not read yet" in replay(place, "--from-topics").out
    assert len(place.seen("requests")) == len(CUSTOMERS) + 3


def test_ranges_that_do_not_exist_are_refused(place: Place) -> None:
    place.request(in_one_partition())
    for offsets, (code, words) in WRONG.items():
        result = replay(place, "--from-topics", "--offsets", offsets)
        assert (result.code, words in result.err) == (code, True), result
    assert len(place.seen("requests")) == len(CUSTOMERS)


def test_a_missing_topic_is_named(place: Place) -> None:
    result = replay(place, "--from-topics", "--source-prefix", "nowhere.")
    assert (result.code, result.out) == (1, "")
    assert "Kafka has no topic nowhere.facts, nowhere.requests" in result.err


@pytest.mark.parametrize("kind", some([kind for kind in PACKED if kind != "ndjson"], always={"zst"}))
def test_a_file_that_is_cut_off_is_refused_before_anything_is_sent(place: Place, tmp_path: Path, kind: str) -> None:
    lines = (leave(customer, reason=secrets.token_hex(100)) for customer in range(1, 10_000))
    whole = PACKED[kind]("\n".join(lines).encode())
    file = tmp_path / f"export.{kind}"
    file.write_bytes(whole[:-100])
    result = replay(place, str(file))
    assert (result.code, result.out) == (2, "")
    assert f"unenroll: {file} is damaged or truncated" in result.err
    assert place.seen("requests") == []


def test_a_file_of_another_kind_is_refused(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    result = replay(place, str(file))
    assert (result.code, result.err) == (2, f"unenroll: {file} does not begin with a line of JSON\n")


def test_bad_lines_are_reported_and_the_others_replayed(place: Place, tmp_path: Path) -> None:
    file = written(tmp_path, [leave(1), '{"type": "UnenrollRequested"}', leave(2)[:-9]])
    result = replay(place, str(file.path), "--no-wait")
    assert result.code == 1
    assert "unenroll: did not send 2 bad lines; replayed the others" in result.err
    assert len(place.seen("requests")) == 1


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
def test_options_that_do_not_go_together_are_refused(nowhere: Place, arguments: tuple[str, ...], words: str) -> None:
    result = replay(nowhere, *arguments)
    assert (result.code, result.out) == (2, "")
    assert words in result.err


def test_a_newer_definition_is_sent_before_the_records_that_need_it(place: Place, tmp_path: Path) -> None:
    group = {"targetGroupId": 31, "name": "New", "version": 1, "active": True, "timeZone": "UTC"}
    cycle = {"periodName": "c1", "start": "2026-01-01T00:00:00Z", "end": "2027-01-01T00:00:00Z"}
    target = {"targetId": 41, "name": "N", "kind": "MILESTONE", "enrollment": "AUTOMATIC"}
    line = {"type": "TargetGroupDefined", "source": "/s", "id": "g", "time": "2026-01-01T00:00:00Z"}
    defined = json.dumps({**line, "data": {**group, "cycles": [cycle], "targets": [target]}})
    file = written(tmp_path, [defined, leave(1, targetGroupId=31, targetId=41)])
    with running("run", environment=place.environment) as worker:
        found = replayed(place, str(file.path))
        worker.tell(signal.SIGTERM)
        assert worker.wait() == 0
    assert (found["definitions"], found["outcomes"]) == (1, {"UNENROLLED": 1})
    assert replayed(place, str(file.path))["definitions"] == 0
