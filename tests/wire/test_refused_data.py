"""Invalid data is refused with the path of the field, and hostile records are refused quickly."""

import time

import pytest

from unenroll.wire.decode import decode_group
from unenroll.wire.topics import TOPIC_OF, Topic
from wire.samples import (
    DEFINED,
    EARNED,
    ENROLLED,
    ISSUED,
    MEBIBYTE,
    STRUCTURED,
    as_json,
    headers,
    raw,
    read,
    record,
    refusal,
    refusal_of,
    request,
    structured,
)

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
