"""A dead letter contains the unchanged record and the reason, and it always fits."""

import hashlib

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from unenroll.wire.dead_letters import MIN_DEAD_LETTER_BYTES, content_digest, dead_letter, redrive_count
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import Headers, Message, Record, batch_bytes

ROOM = 2**20
RECORD = Record(
    topic="unenroll.requests",
    partition=3,
    offset=9223372036854775807,
    key=b"423789336",
    value=b"{",
    headers=(("ce_id", b"7f1c"), ("x", None), ("x", b""), ("x", b"\xff")),
)
REFUSAL = DeadLetter(reason="not_json", detail="value: is not JSON at character 1 \u2013 nothing there")


def told(message: Message) -> dict[str, bytes | None]:
    return {name: value for name, value in message.headers if name.startswith("dlq_")}


def test_the_record_is_kept_as_it_came_with_the_reason_behind_its_headers() -> None:
    message = dead_letter(RECORD, REFUSAL, max_bytes=ROOM)
    assert (message.topic, message.key, message.value) == ("dead-letters", RECORD.key, RECORD.value)
    assert message.headers == (
        *RECORD.headers,
        ("dlq_reason", b"not_json"),
        ("dlq_detail", REFUSAL.detail.encode()),
        ("dlq_topic", b"unenroll.requests"),
        ("dlq_partition", b"3"),
        ("dlq_offset", b"9223372036854775807"),
        ("dlq_redrives", b"0"),
    )


@pytest.mark.parametrize(("key", "value"), [(None, None), (b"", b""), (None, b""), (b"", None)])
def test_nothing_is_not_empty(key: bytes | None, value: bytes | None) -> None:
    message = dead_letter(replace(RECORD, key=key, value=value), REFUSAL, max_bytes=ROOM)
    assert (message.key, message.value) == (key, value)


def test_headers_of_an_earlier_dead_letter_are_replaced_but_redrives_are_kept() -> None:
    first = dead_letter(RECORD, REFUSAL, max_bytes=ROOM)
    redriven = tuple((name, b"2" if name == "dlq_redrives" else value) for name, value in first.headers)
    again = dead_letter(
        replace(RECORD, offset=8, headers=redriven), DeadLetter(reason="schema", detail="d"), max_bytes=ROOM
    )
    names = [name for name, _ in again.headers]
    assert len([name for name in names if name.startswith("dlq_")]) == len(told(again))
    assert again.headers[: len(RECORD.headers)] == RECORD.headers
    assert told(again) == {
        "dlq_reason": b"schema",
        "dlq_detail": b"d",
        "dlq_topic": b"unenroll.requests",
        "dlq_partition": b"3",
        "dlq_offset": b"8",
        "dlq_redrives": b"2",
    }


@pytest.mark.parametrize(
    ("headers", "count"),
    [
        ((), 0),
        ((("dlq_redrives", b"3"),), 3),
        ((("dlq_redrives", None), ("dlq_redrives", b"3")), 3),
        ((("dlq_redrives", b"-1"),), 0),
        ((("dlq_redrives", b"one"),), 0),
        ((("dlq_redrives", b""),), 0),
        ((("dlq_redrives", b"9" * 5000),), 0),
        ((("dlq_redrives", "\u0663".encode()),), 0),
    ],
)
def test_redrives_are_a_number_or_none(headers: Headers, count: int) -> None:
    assert redrive_count(headers) == count


def test_a_value_that_does_not_fit_is_left_out_with_size_and_hash_instead() -> None:
    value = b"x" * ROOM
    message = dead_letter(replace(RECORD, value=value), REFUSAL, max_bytes=ROOM)
    assert (message.key, message.value) == (RECORD.key, None)
    assert message.headers[: len(RECORD.headers)] == RECORD.headers
    assert told(message)["dlq_size"] == b"1048576"
    assert told(message)["dlq_sha256"] == hashlib.sha256(value).hexdigest().encode()
    assert told(message)["dlq_left_out"] == b"value"


def test_headers_that_do_not_fit_are_left_out_and_then_the_key() -> None:
    big = replace(RECORD, headers=(("h", b"x" * ROOM),))
    without_headers = dead_letter(big, REFUSAL, max_bytes=ROOM)
    assert (without_headers.key, without_headers.value) == (RECORD.key, None)
    assert without_headers.headers[0][0] == "dlq_reason"
    assert told(without_headers)["dlq_left_out"] == b"value,headers"
    without_key = dead_letter(replace(big, key=b"k" * ROOM), REFUSAL, max_bytes=ROOM)
    assert (without_key.key, without_key.value) == (None, None)
    assert told(without_key)["dlq_left_out"] == b"value,headers,key"
    assert told(without_key)["dlq_detail"] == REFUSAL.detail[:40].encode()
    assert told(without_key)["dlq_sha256"] == hashlib.sha256(b"{").hexdigest().encode()


def test_a_tombstone_that_does_not_fit_has_no_size() -> None:
    big = replace(RECORD, value=None, headers=(("h", b"x" * ROOM),))
    assert "dlq_size" not in told(dead_letter(big, REFUSAL, max_bytes=ROOM))


TEXT = st.text(st.characters(), max_size=600)
HEADERS = st.lists(
    st.tuples(st.text(st.characters(), max_size=30), st.none() | st.binary(max_size=300)), max_size=20
).map(tuple)
RECORDS = st.builds(
    Record,
    topic=st.text("abcdefghijklmnopqrstuvwxyz.-_", min_size=1, max_size=249),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    key=st.none() | st.binary(max_size=2000),
    value=st.none() | st.binary(max_size=4000),
    headers=HEADERS,
)


def as_kafka_counts(message: Message) -> int:
    headers = list(message.headers)
    return int(DefaultRecordBatchBuilder.estimate_size_in_bytes(message.key, message.value, headers))


@given(record=RECORDS, reason=st.text(max_size=20), detail=TEXT, room=st.integers(MIN_DEAD_LETTER_BYTES, 8000))
def test_a_dead_letter_always_fits_and_can_be_sent(record: Record, reason: str, detail: str, room: int) -> None:
    message = dead_letter(record, DeadLetter(reason=reason, detail=detail), max_bytes=room)
    assert as_kafka_counts(message) <= batch_bytes(message) <= room


@given(record=RECORDS)
def test_a_message_never_takes_more_than_computed(record: Record) -> None:
    message = dead_letter(record, REFUSAL, max_bytes=ROOM)
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=1,
        producer_id=1,
        producer_epoch=1,
        base_sequence=1,
        batch_size=ROOM,
    )
    builder.append(0, 1_773_547_200_000, message.key, message.value, list(message.headers))
    assert len(builder.build()) <= batch_bytes(message)


@pytest.mark.parametrize("size", [0, 1, 200, 20_000, 3_000_000])
def test_a_bare_message_never_takes_more_than_computed(size: int) -> None:
    for message in (
        Message(topic="rewards", key=None, value=b"x" * size),
        Message(topic="rewards", key=b"x" * size, value=None),
        Message(topic="rewards", key=None, value=None, headers=(("x", b"x" * size),)),
    ):
        assert as_kafka_counts(message) <= batch_bytes(message)


def test_the_digest_is_of_key_value_headers_and_redrives() -> None:
    records = [
        RECORD,
        replace(RECORD, key=None),
        replace(RECORD, key=b""),
        replace(RECORD, value=None),
        replace(RECORD, value=b""),
        replace(RECORD, key=b"423789336{", value=b""),
        replace(RECORD, headers=()),
        replace(RECORD, headers=(*RECORD.headers, ("x", b""))),
        replace(RECORD, headers=(*RECORD.headers, ("\udcff", b""))),
        replace(RECORD, headers=(*RECORD.headers, ("\\udcff", b""))),
        replace(RECORD, headers=RECORD.headers[::-1]),
        replace(RECORD, headers=(("ce_i", b"d7f1c"), *RECORD.headers[1:])),
        replace(RECORD, headers=(*RECORD.headers, ("dlq_redrives", b"1"))),
        replace(RECORD, headers=(*RECORD.headers, ("dlq_redrives", b"2"))),
    ]
    assert len({content_digest(record) for record in records}) == len(records)
    assert {len(content_digest(record)) for record in records} == {32}


def test_the_digest_ignores_the_place_of_the_record_and_headers_of_dead_letters() -> None:
    moved = replace(RECORD, topic="other", partition=0, offset=0)
    message = dead_letter(RECORD, REFUSAL, max_bytes=ROOM)
    put_back = replace(moved, key=message.key, value=message.value, headers=message.headers)
    assert content_digest(moved) == content_digest(put_back) == content_digest(RECORD)
    assert content_digest(RECORD).hex() == "8a8afa5251b42eabf00f9f671c8d097aadc28ee46a3d5f5879ca29ae27789fa9"
