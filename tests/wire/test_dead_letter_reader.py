"""A dead letter that is read back contains the refused record and has a stable digest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from unenroll.wire.dead_letters import (
    Letter,
    content_digest,
    dead_letter,
    read_letter,
    redrive_count,
    restored_record,
    with_headers,
)
from unenroll.wire.decode import ReceivedEvent, decode
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import CARRIES, Headers, Record, Topic
from wire.test_dead_letters import RECORD, RECORDS, REFUSAL, ROOM

LEAVE = Record(
    topic="unenroll.requests",
    partition=3,
    offset=17,
    key=b"7",
    value=b'{"customerId": 7, "targetGroupId": 11, "targetId": 21}',
    headers=(
        ("ce_specversion", b"1.0"),
        ("ce_type", b"unenroll.UnenrollRequested.v1"),
        ("ce_source", b"/crm"),
        ("ce_id", b"7f1c"),
        ("ce_time", b"2026-03-15T00:00:00Z"),
        ("content-type", b"application/json"),
    ),
)


def letter(record: Record, *, refusal: DeadLetter = REFUSAL, max_bytes: int = ROOM) -> Letter:
    message = dead_letter(record, refusal, max_bytes=max_bytes)
    found = read_letter(
        Record(
            topic="unenroll.dead-letters",
            partition=2,
            offset=8,
            key=message.key,
            value=message.value,
            headers=message.headers,
        )
    )
    assert found is not None
    return found


@given(record=RECORDS)
def test_a_letter_contains_the_refused_record(record: Record) -> None:
    found = letter(record)
    if not found.left_out and all(name.isprintable() for name, _ in record.headers):
        kept = tuple(header for header in record.headers if not header[0].startswith("dlq_"))
        assert found.record == replace(record, headers=kept)
        assert found.digest == content_digest(record)
    assert (found.partition, found.offset, found.reason, found.detail) == (2, 8, REFUSAL.reason, REFUSAL.detail)


def test_what_goes_back_is_the_same_event_once_more() -> None:
    once = restored_record(letter(LEAVE))
    assert once == replace(LEAVE, headers=(*LEAVE.headers, ("dlq_redrives", b"1")))
    twice = restored_record(letter(once))
    assert twice == replace(LEAVE, headers=(*LEAVE.headers, ("dlq_redrives", b"2")))
    first, last = (decode(record, CARRIES[Topic.REQUESTS]) for record in (LEAVE, twice))
    assert isinstance(first, ReceivedEvent)
    assert first == last


def test_each_redrive_is_a_letter_of_its_own() -> None:
    digests = {letter(LEAVE).digest, letter(restored_record(letter(LEAVE))).digest}
    assert len(digests) == 2


def test_letters_without_values_differ_by_the_hashes_of_the_values() -> None:
    large = [letter(replace(RECORD, value=value * ROOM), max_bytes=10_000) for value in (b"x", b"y")]
    assert [one.left_out for one in large] == [("value",), ("value",)]
    assert large[0].digest != large[1].digest
    assert large[0].size == ROOM


def test_a_record_whose_headers_nobody_could_read_is_not_whole() -> None:
    unreadable = Record(
        topic="t", partition=0, offset=0, key=b"7", value=b"{}", unreadable="a name is not UTF-8; all are left out"
    )
    assert letter(unreadable).left_out == ("headers",)
    large = letter(replace(unreadable, value=b"x" * ROOM), max_bytes=10_000)
    assert large.left_out == ("value", "headers")


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("dlq_reason", b"schema"), ("dlq_topic", b"t"), ("dlq_partition", b"0")),
        (("dlq_reason", b"schema"), ("dlq_topic", b"t"), ("dlq_partition", b"first"), ("dlq_offset", b"0")),
    ],
)
def test_a_record_that_we_did_not_write_is_not_a_letter(headers: Headers) -> None:
    assert read_letter(Record(topic="t", partition=0, offset=0, key=None, value=None, headers=headers)) is None


def test_headers_are_edited_by_name() -> None:
    headers: Headers = (("ce_id", b"7"), ("odd", b"1"), ("odd", None))
    edited = with_headers(headers, [("odd", "2"), ("ce_time", "now")])
    assert edited == (("ce_id", b"7"), ("odd", b"2"), ("ce_time", b"now"))


@given(times=st.integers(0, 10**8))
def test_redrives_are_counted_on(times: int) -> None:
    record = replace(RECORD, headers=(("dlq_redrives", b"%d" % times),))
    assert redrive_count(restored_record(letter(record)).headers) == times + 1
