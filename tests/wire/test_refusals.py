"""Every malformed kind of record has its reason and the path of what is wrong with it."""

import time

import pytest

from unenroll.wire.decode import decode_group
from unenroll.wire.names import TOPIC_OF, Topic
from unenroll.wire.record import Headers
from unenroll.wire.refusals import DETAIL_CHARACTERS, DeadLetter
from wire.samples import (
    DEFINED,
    EARNED,
    ENROLLED,
    ISSUED,
    REQUEST,
    STRUCTURED,
    as_json,
    headers,
    read,
    record,
    refusal,
    refusal_of,
    structured,
)

GOOD = as_json(REQUEST)
MEBIBYTE = 2**20


def request(**changed: object) -> bytes:
    return as_json(REQUEST | changed)


def raw(field: str, text: str) -> bytes:
    """The request with a field as this very text."""
    others = ", ".join(f'"{name}": {number}' for name, number in REQUEST.items() if isinstance(number, int))
    return f'{{{others}, "{field}": {text}}}'.encode()


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


TEN_THOUSAND_DIGITS = "9" * 10_000
DATA: dict[str, tuple[str, bytes, str]] = {
    "a list": ("UnenrollRequested", b"[]", "data"),
    "text": ("UnenrollRequested", b'"text"', "data"),
    "null": ("UnenrollRequested", b"null", "data"),
    "a number": ("UnenrollRequested", b"1", "data"),
    "an empty object": ("UnenrollRequested", b"{}", "data.customerId"),
    "no target": ("UnenrollRequested", b'{"customerId": 1, "targetGroupId": 1}', "data.targetId"),
    "null for a required field": ("UnenrollRequested", request(targetId=None), "data.targetId"),
    "an integer as text": ("UnenrollRequested", request(customerId="5"), "data.customerId"),
    "true for an integer": ("UnenrollRequested", request(customerId=True), "data.customerId"),
    "a fraction": ("UnenrollRequested", request(customerId=5.5), "data.customerId"),
    "2^63": ("UnenrollRequested", request(customerId=2**63), "data.customerId"),
    "-2^63 - 1": ("UnenrollRequested", request(customerId=-(2**63) - 1), "data.customerId"),
    "ten thousand digits": ("UnenrollRequested", raw("targetId", TEN_THOUSAND_DIGITS), "data.targetId"),
    "1e400": ("UnenrollRequested", raw("targetId", "1e400"), "data.targetId"),
    "1e999999999999999999999": ("UnenrollRequested", raw("targetId", "1e999999999999999999999"), "data.targetId"),
    "an object for an instant": ("UnenrollRequested", request(effectiveAt={}), "data.effectiveAt"),
    "a number for an instant": ("UnenrollRequested", request(effectiveAt=1773567000), "data.effectiveAt"),
    "a number for text": ("UnenrollRequested", request(reason=1), "data.reason"),
    "a reason of 201 characters": ("UnenrollRequested", request(reason="r" * 201), "data.reason"),
    "a reason of a mebibyte": ("UnenrollRequested", request(reason="r" * MEBIBYTE), "data.reason"),
    "a requester of 201 characters": ("UnenrollRequested", request(requestedBy="r" * 201), "data.requestedBy"),
    "a NUL in text": ("UnenrollRequested", request(reason="a\x00b"), "data.reason"),
    "a lone surrogate in text": ("UnenrollRequested", request(reason="a\ud800b"), "data.reason"),
    "customer 0 in a fact": ("CustomerEnrolled", as_json(ENROLLED | {"customerId": 0}), "data.customerId"),
    "customer -1 in a reward": ("RewardEarned", as_json(EARNED | {"customerId": -1}), "data.customerId"),
    "customer 0 in an issuance": ("RewardIssued", as_json(ISSUED | {"customerId": 0}), "data.customerId"),
    "a balance as text": ("CustomerEnrolled", as_json(ENROLLED | {"initialBalance": "1"}), "data.initialBalance"),
    "a balance that is true": ("CustomerEnrolled", as_json(ENROLLED | {"initialBalance": True}), "data.initialBalance"),
    "a balance of 39 digits": (
        "CustomerEnrolled",
        as_json(ENROLLED | {"initialBalance": int("1" * 39)}),
        "data.initialBalance",
    ),
    "text for a flag": (
        "CustomerEnrolled",
        as_json(ENROLLED | {"resetStreakStatus": "true"}),
        "data.resetStreakStatus",
    ),
    "1 for a flag": ("CustomerEnrolled", as_json(ENROLLED | {"resetStreakStatus": 1}), "data.resetStreakStatus"),
    "an unknown origin": ("CustomerEnrolled", as_json(ENROLLED | {"origin": "explicit"}), "data.origin"),
    "an empty cycle name": ("CustomerEnrolled", as_json(ENROLLED | {"periodName": ""}), "data.periodName"),
    "no reward id": ("RewardEarned", as_json(EARNED | {"rewardId": None}), "data.rewardId"),
    "an empty reward id": ("RewardEarned", as_json(EARNED | {"rewardId": ""}), "data.rewardId"),
    "a reward id of 65 characters": ("RewardEarned", as_json(EARNED | {"rewardId": "é" * 65}), "data.rewardId"),
    "an unknown allocation": ("RewardEarned", as_json(EARNED | {"allocation": "LATER"}), "data.allocation"),
    "a value that is a number": ("RewardEarned", as_json(EARNED | {"value": 12.5}), "data.value"),
    "a value without unit": ("RewardEarned", as_json(EARNED | {"value": {"amount": "1"}}), "data.value.unit"),
}
AMOUNTS = [
    12.5,
    1,
    "",
    "1e3",
    "+1",
    ".5",
    "5.",
    "007",
    "NaN",
    "1,5",
    " 1",
    "1\n",
    "1" * 20,
    "0." + "1" * 19,
    "\u0661",
    None,
]


@pytest.mark.parametrize(("name", "value", "path"), DATA.values(), ids=DATA)
def test_broken_data_is_a_schema_refusal_with_the_path(name: str, value: bytes, path: str) -> None:
    assert refusal(value, headers(name), topic=TOPIC_OF[name]) == ("schema", path)


@pytest.mark.parametrize("amount", AMOUNTS)
def test_an_amount_is_a_decimal_as_text(amount: object) -> None:
    value = as_json(EARNED | {"value": {"amount": amount, "unit": "EUR"}})
    assert refusal(value, headers("RewardEarned"), topic=Topic.FACTS) == ("schema", "data.value.amount")


def test_missing_data_in_structured_mode_is_a_schema_refusal() -> None:
    assert refusal(structured(data=None), STRUCTURED) == ("schema", "data")


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
    assert refused == DeadLetter(reason="schema", detail="data.customerId: must be an integer of 64 bits (and 1 more)")


def test_a_byte_order_mark_is_told_as_one() -> None:
    assert read(b"\xef\xbb\xbf{}") == DeadLetter(reason="not_json", detail="value: begins with a byte order mark")


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


def test_definitions_that_do_not_hold_together_are_refused_with_the_path() -> None:
    def path(**changed: object) -> str | None:
        refused = refusal_of("TargetGroupDefined", DEFINED | changed)
        return None if refused is None else f"{refused.reason} {refused.detail.split(':')[0]}"

    first, second = DEFINED["cycles"]
    streak, milestone = DEFINED["targets"]
    assert path() is None
    assert path(cycles=[]) == "schema data.cycles"
    assert path(targets=[]) == "schema data.targets"
    assert path(cycles=[first, first]) == "schema data.cycles"
    assert path(cycles=[first, second | {"periodName": "d1"}]) == "schema data.cycles"
    assert path(cycles=[first | {"end": "2026-01-02T00:00:01Z"}, second]) == "schema data.cycles"
    assert path(cycles=[first | {"end": first["start"]}]) == "schema data.cycles"
    assert path(cycles=[first, second | {"start": "2026-01-02T00:00:00"}]) == "naive_time data.cycles[1].start"
    assert path(targets=[milestone, milestone]) == "schema data.targets"
    assert path(targets=[milestone, streak | {"levels": [4, 4]}]) == "schema data.targets[1]"
    assert path(targets=[streak | {"levels": [8, 4]}]) == "schema data.targets[0]"
    assert path(targets=[streak | {"levels": [0, 4]}]) == "schema data.targets[0].levels[0]"
    assert path(targets=[streak | {"levels": None}]) == "schema data.targets[0]"
    assert path(targets=[milestone | {"levels": [1]}]) == "schema data.targets[0]"
    assert path(targets=[milestone | {"kind": "BADGE"}]) == "schema data.targets[0].kind"
    assert path(active=None) == "schema data.active"


HOSTILE: dict[str, tuple[str, bytes]] = {
    "a number of a mebibyte": ("UnenrollRequested", raw("customerId", "9" * MEBIBYTE)),
    "a fraction of a mebibyte": ("CustomerEnrolled", raw("initialBalance", "0." + "9" * MEBIBYTE)),
    "an exponent of a mebibyte": ("CustomerEnrolled", raw("initialBalance", "1e" + "9" * MEBIBYTE)),
    "a hundred thousand numbers of ten digits": ("UnenrollRequested", raw("note", f"[{'1234567890,' * 90_000}1]")),
    "three hundred thousand empty cycles": (
        "TargetGroupDefined",
        as_json(DEFINED | {"cycles": []}).replace(b'"cycles": []', b'"cycles": [' + b"{}," * 300_000 + b"{}]"),
    ),
    "an instant of a mebibyte": ("UnenrollRequested", request(effectiveAt="2026-03-15T09:30:00." + "1" * MEBIBYTE)),
    "an amount of a mebibyte": ("RewardEarned", as_json(EARNED | {"value": {"amount": "1" * MEBIBYTE, "unit": "u"}})),
    "escaped quotes without end": ("UnenrollRequested", b"[" * 101 + b'"' + b'\\"' * (MEBIBYTE // 2)),
}


@pytest.mark.parametrize(("name", "value"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_mebibyte_is_answered_quickly(name: str, value: bytes) -> None:
    began = time.process_time()
    if name == "TargetGroupDefined":
        decode_group(record(value, headers(name)))
    else:
        read(value, headers(name), topic=TOPIC_OF[name])
    assert time.process_time() - began < 1
