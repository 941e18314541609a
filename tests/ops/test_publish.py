"""`publish` sends each event of a file to its topic, as an independent consumer reads it."""

import json
from pathlib import Path

import pytest

from support.events import ABC
from support.files import CommandResult, command, event_line, leave_line, write_file
from support.topics import ConsumedRecord, NewRecord, consume, produce
from unenroll.errors import OutageError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.topics import make_topics
from unenroll.ops.files import MAX_LINE_BYTES
from unenroll.ops.publish import Sender
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import KafkaSettings
from unenroll.wire.topics import Message

CUSTOMER = 423789336
INPUTS = ("requests", "facts", "definitions")
DEFINITION = json.dumps(
    {"type": "TargetGroupDefined", "source": "/crm", "id": "g", "time": "2026-01-01T00:00:00Z", "data": ABC}
)
JOINED = event_line("CustomerEnrolled", "in", targetGroupId=11, targetId=21, enrolledAt="2026-01-01T00:00:00Z")
ISSUED = event_line("RewardIssued", "paid", rewardId="R1", targetId=21, issuedAt="2026-02-01T00:00:00Z")


@pytest.fixture
async def environment(servers: ServerAddresses, prefix: str) -> dict[str, str]:
    """Settings of topics of the test's own."""
    settings = KafkaSettings(kafka_bootstrap_servers=servers.kafka, topic_prefix=prefix)
    await make_topics(KafkaAdmin(settings), prefix, partitions=4, replication=1)
    return {"UNENROLL_KAFKA_BOOTSTRAP_SERVERS": servers.kafka, "UNENROLL_TOPIC_PREFIX": prefix}


def published(environment: dict[str, str], *lines: str | bytes) -> CommandResult:
    content = b"\n".join(line.encode() if isinstance(line, str) else line for line in lines)
    return command("publish", "-", environment=environment, stdin=content)


def found(environment: dict[str, str], *words: str) -> list[ConsumedRecord]:
    return consume(
        environment["UNENROLL_KAFKA_BOOTSTRAP_SERVERS"], environment["UNENROLL_TOPIC_PREFIX"], words or INPUTS
    )


def test_each_event_goes_to_its_topic_under_its_key(environment: dict[str, str]) -> None:
    result = published(environment, DEFINITION, JOINED, ISSUED, leave_line(CUSTOMER), leave_line(-1))
    assert (result.code, result.out, result.err) == (0, "Published 2 requests, 2 facts and 1 definition.\n", "")
    records = {
        (one.topic.removeprefix(environment["UNENROLL_TOPIC_PREFIX"]), one.header("ce_id")): one.key
        for one in found(environment)
    }
    assert records == {
        ("definitions", "g"): b"11",
        ("facts", "in"): b"423789336",
        ("facts", "paid"): b"423789336",
        ("requests", f"leave-{CUSTOMER}"): b"423789336",
        ("requests", "leave--1"): b"-1",
    }


def test_an_event_is_a_cloudevent_in_binary_mode(environment: dict[str, str]) -> None:
    assert (
        published(environment, leave_line(CUSTOMER, at="2026-03-15T09:30:00+05:30", reason="customer asked")).code == 0
    )
    (record,) = found(environment, "requests")
    assert record.headers == (
        ("ce_specversion", b"1.0"),
        ("ce_type", b"unenroll.UnenrollRequested.v1"),
        ("ce_source", b"/crm"),
        ("ce_id", f"leave-{CUSTOMER}".encode()),
        ("ce_time", b"2026-03-15T04:00:00Z"),
        ("content-type", b"application/json"),
    )
    assert record.data == {"customerId": CUSTOMER, "targetGroupId": 11, "targetId": 21, "reason": "customer asked"}


def test_one_customer_s_events_lie_where_other_producers_put_them_and_in_order(
    environment: dict[str, str], servers: ServerAddresses, prefix: str
) -> None:
    customers = [CUSTOMER, 1, 2, 3, 4]
    lines = [
        event_line(
            "RewardIssued",
            f"{customer}-{number}",
            customerId=customer,
            rewardId="R1",
            targetId=21,
            issuedAt="2026-02-01T00:00:00Z",
        )
        for number in range(200)
        for customer in customers
    ]
    assert published(environment, *lines).out == "Published 0 requests, 1,000 facts and 0 definitions.\n"
    produce(servers.kafka, f"{prefix}facts", [NewRecord(key=b"%d" % customer, value=b"{}") for customer in customers])
    records = found(environment, "facts")
    for customer in customers:
        mine = [one for one in records if one.key == b"%d" % customer]
        assert len({one.partition for one in mine}) == 1
        assert [one.header("ce_id") for one in mine] == [*(f"{customer}-{number}" for number in range(200)), None]


BAD: dict[str, tuple[str | bytes, str]] = {
    "no json": (b"{", "not_json: value: is not JSON"),
    "not utf-8": (b"\xff", "not_json: value: is not UTF-8"),
    "too long": (b"x" * (MAX_LINE_BYTES + 1), "line_too_long: "),
    "too large for its topic": (
        leave_line(CUSTOMER, more="x" * (MAX_LINE_BYTES - 200)),
        "message_too_large: exceeds max.message.bytes of topic requests",
    ),
    "no id": (JOINED.replace('"id"', '"di"'), "schema: id: is missing"),
    "no source": (JOINED.replace('"source"', '"sauce"'), "schema: source: is missing"),
    "no time": (JOINED.replace('"time"', '"tide"'), "time: is missing"),
    "a naive time": (leave_line(CUSTOMER, at="2026-03-15T00:00:00"), "naive_time: time: has no UTC offset"),
    "no data": (JOINED.replace('"data"', '"date"'), "schema: data: is missing"),
    "a wrong field": (JOINED.replace("423789336", '"423789336"'), "schema: data.customerId: must be a 64-bit integer"),
    "what only we publish": (
        JOINED.replace("CustomerEnrolled", "UserUnenrolled"),
        "unknown_type: type: must be one of",
    ),
    "a calendar that overlaps": (
        DEFINITION.replace("2026-02-01", "2026-02-02", 1),
        "schema: ",
    ),
}


def test_bad_lines_are_reported_and_the_lines_around_them_are_published(environment: dict[str, str]) -> None:
    lines = [JOINED, *(line for bad, _ in BAD.values() for line in (bad, ISSUED))]
    result = published(environment, *lines)
    assert result.code == 1
    assert result.out == f"Published 0 requests, {1 + len(BAD)} facts and 0 definitions.\n"
    *bad_lines, end = result.err.splitlines()
    assert end == f"unenroll: skipped {len(BAD)} bad lines; processed all other lines"
    for number, (line, (name, (_, why))) in enumerate(zip(bad_lines, BAD.items(), strict=True), start=1):
        assert line.startswith(f"-:{2 * number}: "), name
        assert why in line, name
    assert [one.header("ce_id") for one in found(environment)] == ["in", *["paid"] * len(BAD)]


def test_json_has_the_counts(environment: dict[str, str], tmp_path: Path) -> None:
    file = write_file(tmp_path, [DEFINITION, leave_line(CUSTOMER)])
    result = command("publish", str(file.path), "--json", environment=environment)
    assert json.loads(result.out) == {"requests": 1, "facts": 0, "definitions": 1, "bad": 0}


def test_missing_topics_are_said_in_one_line(environment: dict[str, str]) -> None:
    result = published({**environment, "UNENROLL_TOPIC_PREFIX": "nothing.here."}, JOINED)
    assert result.code == 1
    assert result.err == (
        "unenroll: Kafka has no topic nothing.here.requests, nothing.here.facts, nothing.here.definitions; "
        "run `unenroll topics`\n"
    )


def test_a_message_that_does_not_arrive_is_an_error(environment: dict[str, str], prefix: str) -> None:
    servers = environment["UNENROLL_KAFKA_BOOTSTRAP_SERVERS"]
    sender = Sender(KafkaSettings(kafka_bootstrap_servers=servers, topic_prefix=prefix), batch_bytes=MAX_LINE_BYTES)
    sender.send(Message(topic="facts", key=b"1", value=b"x" * (2 * MAX_LINE_BYTES)))
    with pytest.raises(OutageError, match="Message size too large"):
        sender.finish()
