"""Every malformed kind of record has its reason and the path of what is wrong with it."""

import pytest

from unenroll.wire.reasons import DETAIL_CHARACTERS, DeadLetter
from unenroll.wire.topics import Headers, Topic
from wire.samples import (
    EARNED,
    ISSUED,
    MEBIBYTE,
    REQUEST,
    STRUCTURED,
    as_json,
    headers,
    raw,
    read,
    refusal,
    request,
    structured,
)

GOOD = as_json(REQUEST)

NO_JSON: dict[str, bytes | None] = {
    "a tombstone": None,
    "empty": b"",
    "white space": b" \n",
    "not UTF-8": b'{"customerId": 1, "reason": "\xff"}',
    "a surrogate encoded in UTF-8": b'{"reason": "\xed\xa0\x80"}',
    "UTF-16": GOOD.decode().encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "no JSON": b"un-enroll 423789336",
    "cut off": GOOD[:-1],
    "two values": GOOD + GOOD,
    "a trailing comma": b'{"customerId": 1,}',
    "single quotes": b"{'customerId': 1}",
    "a raw line feed in text": b'{"reason": "a\nb"}',
    "NaN": raw("note", "NaN"),
    "Infinity": raw("note", "[Infinity]"),
    "minus Infinity": raw("customerId", "-Infinity"),
    "arrays nested 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "objects nested 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "nested deep behind a bracket in text": b'{"a": "]]]]\\"]]", "b": ' + b"[" * 101 + b"]" * 101 + b"}",
    "a mebibyte of opening brackets": b"[" * MEBIBYTE,
    "a mebibyte of escaped quotes": b"[" * 101 + b'"' + b'\\"' * (MEBIBYTE // 2),
    "a mebibyte that is no UTF-8": b"\xff" * MEBIBYTE,
}


@pytest.mark.parametrize("value", NO_JSON.values(), ids=NO_JSON)
@pytest.mark.parametrize("head", [headers(), STRUCTURED, ()], ids=["binary", "structured", "no headers"])
def test_a_value_that_is_no_json_text_is_not_json_whatever_the_headers(value: bytes | None, head: Headers) -> None:
    assert refusal(value, head) == ("not_json", "value")


ENVELOPES: dict[str, tuple[Headers, str]] = {
    "no headers": ((), "ce_specversion"),
    "no specversion": (headers(ce_specversion=None), "ce_specversion"),
    "another specversion": (headers(ce_specversion=b"0.3"), "ce_specversion"),
    "no type": (headers(ce_type=None), "ce_type"),
    "an empty type": (headers(ce_type=b""), "ce_type"),
    "no source": (headers(ce_source=None), "ce_source"),
    "an empty source": (headers(ce_source=b""), "ce_source"),
    "a source that is too long": (headers(ce_source=b"s" * 1025), "ce_source"),
    "no id": (headers(ce_id=None), "ce_id"),
    "an empty id": (headers(ce_id=b""), "ce_id"),
    "an id of a mebibyte": (headers(ce_id=b"i" * MEBIBYTE), "ce_id"),
    "a NUL in the id": (headers(ce_id=b"a\x00b"), "ce_id"),
    "an id that is not UTF-8": (headers(ce_id=b"\xff"), "ce_id"),
    "an extension that is not UTF-8": (headers(ce_tenant=b"\xff"), "ce_tenant"),
    "an id without value": ((*headers(ce_id=None), ("ce_id", None)), "ce_id"),
    "an id twice": ((*headers(), ("ce_id", b"7f1c")), "ce_id"),
    "an id twice, once without value": ((("ce_id", None), *headers()), "ce_id"),
    "an extension twice": ((*headers(), ("ce_tenant", b"a"), ("ce_tenant", b"a")), "ce_tenant"),
    "a content type twice": ((*headers(), ("Content-Type", b"application/json")), "Content-Type"),
    "a content type that is not UTF-8": (headers(content_type=b"\xff"), "content-type"),
    "a content type that is not JSON": (headers(content_type=b"application/avro"), "content-type"),
    "a batch": (headers(content_type=b"application/cloudevents-batch+json"), "content-type"),
    "events in Avro": (headers(content_type=b"application/cloudevents+avro"), "content-type"),
    "a time that is none": (headers(ce_time=b"yesterday"), "ce_time"),
    "an empty time": (headers(ce_time=b""), "ce_time"),
    "30 February": (headers(ce_time=b"2026-02-30T09:30:00Z"), "ce_time"),
    "a time twice": ((*headers(), ("ce_time", b"2026-03-15T09:30:00Z")), "ce_time"),
}


@pytest.mark.parametrize(("head", "path"), ENVELOPES.values(), ids=ENVELOPES)
def test_a_broken_envelope_is_a_schema_refusal_with_the_header(head: Headers, path: str) -> None:
    assert refusal(GOOD, head) == ("schema", path)


STRUCTURED_ENVELOPES: dict[str, tuple[bytes, str]] = {
    "a list": (b"[]", "value"),
    "text": (b'"text"', "value"),
    "null": (b"null", "value"),
    "no specversion": (structured(specversion=None), "specversion"),
    "another specversion": (structured(specversion="1.1"), "specversion"),
    "a specversion that is a number": (structured(specversion=1.0), "specversion"),
    "no id": (structured(id=None), "id"),
    "an id that is a number": (structured(id=7), "id"),
    "a source that is an object": (structured(source={}), "source"),
    "no type": (structured(type=None), "type"),
    "a lone surrogate in the id": (structured(id="\ud800"), "id"),
    "a time that is a number": (structured(time=1773567000), "time"),
    "data in Base64": (structured(data=None, data_base64="e30="), "data_base64"),
    "data in Avro": (structured(datacontenttype="application/avro"), "datacontenttype"),
    "a content type that is a number": (structured(datacontenttype=1), "datacontenttype"),
}


@pytest.mark.parametrize(("value", "path"), STRUCTURED_ENVELOPES.values(), ids=STRUCTURED_ENVELOPES)
def test_a_broken_structured_envelope_is_a_schema_refusal_with_the_attribute(value: bytes, path: str) -> None:
    assert refusal(value, STRUCTURED) == ("schema", path)


@pytest.mark.parametrize(
    "full", ["unenroll.Unknown.v1", "unenroll.UnenrollRequested.v2", "UnenrollRequested", "x" * 1024]
)
def test_a_type_that_nobody_knows_is_unknown(full: str) -> None:
    assert refusal(GOOD, headers(ce_type=full.encode())) == ("unknown_type", "type")
    assert refusal(structured(type=full), STRUCTURED) == ("unknown_type", "type")


@pytest.mark.parametrize("topic", [Topic.REQUESTS, Topic.FACTS])
@pytest.mark.parametrize("name", ["UserUnenrolled", "TargetGroupDefined"])
def test_a_type_on_a_topic_where_it_does_not_belong_is_unknown(topic: Topic, name: str) -> None:
    assert refusal(GOOD, headers(name), topic=topic) == ("unknown_type", "type")


def test_requests_belong_on_requests_and_facts_on_facts() -> None:
    assert refusal(GOOD, headers("UnenrollRequested"), topic=Topic.FACTS) == ("unknown_type", "type")
    assert refusal(as_json(EARNED), headers("RewardEarned")) == ("unknown_type", "type")


def test_without_time_it_is_no_time() -> None:
    assert refusal(GOOD, headers(ce_time=None)) == ("no_time", "time")
    assert refusal(GOOD, (*headers(ce_time=None), ("ce_time", None))) == ("no_time", "time")
    assert refusal(structured(time=None), STRUCTURED) == ("no_time", "time")


def test_a_time_without_offset_is_a_naive_time_wherever_it_stands() -> None:
    naive = "2026-03-15T09:30:00"
    assert refusal(GOOD, headers(ce_time=naive.encode())) == ("naive_time", "time")
    assert refusal(structured(time=naive), STRUCTURED) == ("naive_time", "time")
    assert refusal(request(effectiveAt=naive)) == ("naive_time", "data.effectiveAt")
    assert refusal(as_json(ISSUED | {"issuedAt": naive}), headers("RewardIssued"), topic=Topic.FACTS) == (
        "naive_time",
        "data.issuedAt",
    )


IMPOSSIBLE = [
    "2026-02-30T09:30:00Z",
    "2026-02-29T09:30:00Z",
    "2026-13-01T09:30:00Z",
    "2026-00-01T09:30:00Z",
    "2026-03-15T24:00:00Z",
    "2026-03-15T09:60:00Z",
    "2026-03-15T09:30:60Z",
    "0000-03-15T09:30:00Z",
    "10000-03-15T09:30:00Z",
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "2026-03-15T09:30:00+24:00",
    "2026-03-15T09:30:00+05:60",
    "2026-03-15T09:30:00+0530",
    "2026-03-15T09:30:00+05",
    "2026-03-15T09:30:00+05:30:15",
    "2026-03-15T09:30Z",
    "2026-03-15T09:30:00,5Z",
    "2026-03-15T09:30:00.Z",
    "2026-03-15_09:30:00Z",
    "2026-W11-7T09:30:00Z",
    "20260315T093000Z",
    "2026-03-15",
    "2026-03-15T09:30:00 Z",
    "2026-03-15T09:30:00Z\n",
    " 2026-03-15T09:30:00Z",
    "2026-03-15T09:30:00." + "1" * 60 + "Z",
    "\u0662026-03-15T09:30:00Z",
    "1773567000",
    "now",
    "",
]


@pytest.mark.parametrize("instant", IMPOSSIBLE)
def test_a_time_that_no_calendar_has_is_a_schema_refusal(instant: str) -> None:
    assert refusal(request(effectiveAt=instant)) == ("schema", "data.effectiveAt")
    assert refusal(GOOD, headers(ce_time=instant.encode())) == ("schema", "ce_time")


IN_ORDER: list[tuple[str, bytes, Headers]] = [
    ("not_json", b"{", (("ce_type", b"unenroll.Unknown.v1"),)),
    ("schema", b"[]", headers(ce_type=b"unenroll.Unknown.v1", ce_time=None, ce_id=None)),
    ("schema", b"[]", headers(ce_type=b"unenroll.Unknown.v1", ce_time=b"yesterday")),
    ("unknown_type", b"[]", headers(ce_type=b"unenroll.Unknown.v1", ce_time=None)),
    ("unknown_type", b"[]", headers(ce_type=b"unenroll.Unknown.v1", ce_time=b"2026-03-15T09:30:00")),
    ("no_time", request(effectiveAt="2026-03-15T09:30:00"), headers(ce_time=None)),
    ("naive_time", b"[]", headers(ce_time=b"2026-03-15T09:30:00")),
    ("naive_time", request(customerId="5", effectiveAt="2026-03-15T09:30:00"), headers()),
    ("schema", request(customerId="5"), headers()),
]


@pytest.mark.parametrize(("reason", "value", "head"), IN_ORDER)
def test_of_several_faults_the_first_in_the_order_of_precedence_is_told(
    reason: str, value: bytes, head: Headers
) -> None:
    assert refusal(value, head)[0] == reason


def test_a_detail_is_a_sentence_with_the_path_and_how_much_else_is_wrong() -> None:
    refused = read(request(customerId="5", targetId=None))
    assert refused == DeadLetter(reason="schema", detail="data.customerId: must be a 64-bit integer (and 1 more error)")


def test_a_byte_order_mark_is_named() -> None:
    assert read(b"\xef\xbb\xbf{}") == DeadLetter(
        reason="not_json", detail="value: begins with a byte order mark; remove it"
    )


def detail(value: bytes | None, head: Headers | None = None) -> str:
    refused = read(value, head)
    assert isinstance(refused, DeadLetter), refused
    return refused.detail


def renamed(old: str, new: str) -> Headers:
    return tuple((new if name == old else name, value) for name, value in headers())


def test_a_detail_names_the_misspelled_field_or_header() -> None:
    without = {name: value for name, value in REQUEST.items() if name != "customerId"}
    assert detail(as_json(without)) == "data.customerId: is missing"
    assert detail(as_json(without | {"customer_id": 5})) == "data.customerId: is missing; found customer_id"
    assert detail(structured(id=None, ID="7f1c"), STRUCTURED) == "id: is missing; found ID"
    assert detail(GOOD, renamed("ce_id", "ce-id")) == (
        "ce_id: is missing; found header ce-id; the Kafka binding uses ce_id"
    )
    assert detail(GOOD, renamed("ce_time", "CE_Time")) == (
        "time: is missing; every event needs one; found header CE_Time; the Kafka binding uses ce_time"
    )
    assert detail(structured(time=None, Time="2026-03-15T04:00:00Z"), STRUCTURED) == (
        "time: is missing; every event needs one; found Time"
    )
    assert detail(structured(time=None), STRUCTURED) == "time: is missing; every event needs one"


def test_a_detail_says_what_to_send_instead() -> None:
    assert detail(structured(), ()) == (
        "ce_specversion: is missing; found no header that begins with ce_, "
        "and content-type is not application/cloudevents+json"
    )
    assert detail(GOOD, headers("RewardEarned")) == (
        "type: must be unenroll.UnenrollRequested.v1 on this topic; found unenroll.RewardEarned.v1"
    )
    assert detail(GOOD, headers(content_type=b"application/avro")) == (
        "content-type: must be application/json or application/cloudevents+json; found application/avro"
    )
    assert detail(request(effectiveAt="2026-03-15T09:30:00")) == (
        "data.effectiveAt: has no UTC offset; write it like 2026-03-15T09:30:00+05:30"
    )


def test_a_detail_never_repeats_the_input_at_length() -> None:
    long = "x" * MEBIBYTE
    values = [request(reason=long), request(**{long: 1}), structured(id=long), as_json([long]), long.encode()]
    heads = [
        headers(),
        STRUCTURED,
        headers(ce_type=b"x" * 1024),
        (*headers(), (f"ce_{long}", b""), (f"ce_{long}", b"")),
    ]
    for value in values:
        for head in heads:
            refused = read(value, head)
            assert not isinstance(refused, DeadLetter) or len(refused.detail) <= DETAIL_CHARACTERS
