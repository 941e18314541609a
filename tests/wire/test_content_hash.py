"""The same content has the same hash in any spelling; different content has a different hash."""

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unenroll.wire.content_hash import CONTENT_VERSION, PLANNED_VERSION, content_version
from unenroll.wire.decode import ReceivedGroup, decode_group
from unenroll.wire.topics import TOPIC_OF
from wire.samples import (
    DEFINED,
    EARNED,
    ENROLLED,
    ISSUED,
    REQUEST,
    SAMPLES,
    STRUCTURED,
    as_json,
    headers,
    record,
    structured,
    taken,
)

GOLDEN = {
    "UnenrollRequested": "33e2c31fde45a7775715dfb3778de65fa361744988de2b6767b4fcaf7c7105df",
    "CustomerEnrolled": "28be963d73bfd25a4a53b8cfdba93cab9d8a4dc5e44d89f736d2d17f2e93ce7a",
    "RewardEarned": "bee37e906a34a95018b41179280a59b12b8cfb0d21d927aba79afff00f200fd9",
    "RewardIssued": "4a7021bfae291a6a314bdfa9836e68e288440ebf53612f85a27f1bf9576477b3",
    "SettlementDue": "d4d5232e0b10f4c8a45810e7fc80bed95647095c2629a53f1555519b5470808a",
    "TargetGroupDefined": "d60b227e3151310fdd38a45ae8dfb39d5e0b26e8af88266c752088dd85362fbb",
}


HASHED = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=20) | st.lists(inner, max_size=3).map(tuple),
)


@given(HASHED)
def test_msgspec_and_msgpack_encode_hashed_content_alike(content: object) -> None:
    """`content_hash` encodes MessagePack with msgspec; hashes in old ledgers were made with msgpack."""
    assert msgspec.msgpack.encode(content) == msgpack.packb(content)


def of(name: str, value: bytes, time: bytes | None = None) -> str:
    head = headers(name) if time is None else headers(name, ce_time=time)
    if name == "TargetGroupDefined":
        received = decode_group(record(value, head))
        assert isinstance(received, ReceivedGroup)
        return received.content_hash.hex()
    return taken(value, head, topic=TOPIC_OF[name]).content_hash.hex()


@pytest.mark.parametrize("name", SAMPLES)
def test_the_hash_of_a_version_never_changes(name: str) -> None:
    """Ledgers contain these hashes. If this test has to change, raise CONTENT_VERSION."""
    assert CONTENT_VERSION == 1
    assert of(name, as_json(SAMPLES[name] | {"expected": None})) == GOLDEN[name]


def test_a_request_of_a_plan_is_hashed_in_a_version_of_its_own() -> None:
    """A release without plans ignored `expected`; its hashes must not conflict with these."""
    planned = taken(as_json(REQUEST))
    assert content_version(planned.event) == PLANNED_VERSION == 2
    assert planned.content_hash.hex() == "20c11bd8d4bcef083c83e8a3a9b0ba6fcd635d27e70fb13746d49979c6c0be54"
    assert content_version(taken(as_json(REQUEST | {"expected": None})).event) == CONTENT_VERSION


@pytest.mark.parametrize("name", SAMPLES)
def test_order_of_keys_white_space_and_unknown_fields_do_not_matter(name: str) -> None:
    sample = SAMPLES[name]
    usual = of(name, as_json(sample))
    assert of(name, as_json(dict(reversed(sample.items())))) == usual
    assert of(name, as_json(sample | {"note": [1, {}]})) == usual
    assert of(name, b"\n " + as_json(sample).replace(b",", b" ,\r\n\t")) == usual


def test_the_mode_does_not_matter() -> None:
    assert taken(structured(), STRUCTURED).content_hash.hex() == of("UnenrollRequested", as_json(REQUEST))


def test_spellings_of_the_same_value_do_not_matter() -> None:
    def request(**changed: object) -> str:
        return of("UnenrollRequested", as_json(REQUEST | changed))

    def enrolled(**changed: object) -> str:
        return of("CustomerEnrolled", as_json(ENROLLED | changed))

    assert request(targetId=5) == request(targetId=5.0)
    assert request(effectiveAt="2026-03-15T04:00:00Z") == request()
    assert request(effectiveAt="2026-03-15T04:00:00.0000009Z") == request()
    assert enrolled(initialBalance=5) == enrolled(initialBalance=5.0)
    assert enrolled(initialBalance=0.0) == enrolled(initialBalance=-0.0)
    assert of("RewardEarned", as_json(EARNED | {"value": {"amount": "12.5", "unit": "EUR"}})) == of(
        "RewardEarned", as_json(EARNED)
    )


def test_a_default_that_is_spelled_out_does_not_matter() -> None:
    least = {name: ENROLLED[name] for name in ("customerId", "targetGroupId", "targetId", "enrolledAt")}
    spelled = least | {"resetStreakStatus": False, "origin": "EXPLICIT", "periodName": None}
    assert of("CustomerEnrolled", as_json(spelled)) == of("CustomerEnrolled", as_json(least))
    bare = {name: REQUEST[name] for name in ("customerId", "targetGroupId", "targetId")}
    at = {"effectiveAt": "2026-03-15T04:00:00Z"}
    assert of("UnenrollRequested", as_json(bare), b"2026-03-15T09:30:00+05:30") == of(
        "UnenrollRequested", as_json(bare | at), b"2026-03-15T09:30:00+05:30"
    )


def test_time_is_not_in_the_hash() -> None:
    assert of("RewardEarned", as_json(EARNED), b"2026-03-15T09:30:00Z") == of(
        "RewardEarned", as_json(EARNED), b"2026-03-16T09:30:00Z"
    )


OTHERS: dict[str, dict[str, object]] = {
    "UnenrollRequested": {
        "customerId": 1,
        "targetGroupId": 21,
        "targetId": 11,
        "effectiveAt": "2026-03-15T04:00:00.000001Z",
        "reason": "agent 7",
        "requestedBy": None,
        "expected": {"decision": 7, "after": {"id": "7f1b", "source": "/crm/app"}},
    },
    "CustomerEnrolled": {
        "customerId": 1,
        "targetGroupId": 21,
        "targetId": 11,
        "enrolledAt": "2026-01-01T00:00:01Z",
        "periodName": None,
        "initialBalance": 0,
        "resetStreakStatus": False,
        "origin": None,
    },
    "RewardEarned": {
        "rewardId": "r3",
        "customerId": 1,
        "targetGroupId": 21,
        "targetId": 11,
        "periodName": "c4",
        "allocation": "IMMEDIATE",
        "achievedAt": "2026-04-01T06:00:00Z",
        "level": None,
        "issuedAt": None,
        "value": {"amount": "12.51", "unit": "EUR"},
    },
    "RewardIssued": {"rewardId": "R4", "customerId": 1, "targetId": 22, "issuedAt": "2026-04-01T06:00:00.1Z"},
    "SettlementDue": {"customerId": 1, "targetGroupId": 21, "targetId": 11, "version": 3},
    "TargetGroupDefined": {
        "targetGroupId": 13,
        "name": "XY",
        "version": 2,
        "active": False,
        "timeZone": "UTC",
        "cycles": DEFINED["cycles"][:1],
        "targets": DEFINED["targets"][:1],
    },
}


@pytest.mark.parametrize(("name", "field"), [(name, field) for name in OTHERS for field in OTHERS[name]])
def test_every_field_matters(name: str, field: str) -> None:
    changed = SAMPLES[name] | {field: OTHERS[name][field]}
    assert of(name, as_json(changed)) != of(name, as_json(SAMPLES[name]))


@pytest.mark.parametrize("name", OTHERS)
def test_no_field_is_forgotten_by_these_tests(name: str) -> None:
    assert OTHERS[name].keys() == SAMPLES[name].keys()


def test_an_empty_reason_is_not_none_and_a_field_is_not_its_neighbor() -> None:
    def request(**changed: object) -> str:
        return of("UnenrollRequested", as_json(REQUEST | changed))

    assert request(reason="") != request(reason=None)
    assert request(expected={"decision": 6}) != request()
    assert request(expected={"decision": 6, "after": {"id": "/crm/app", "source": "7f1b"}}) != request()
    assert request(reason="a", requestedBy=None) != request(reason=None, requestedBy="a")
    assert request(reason="ab", requestedBy="c") != request(reason="a", requestedBy="bc")
    assert of("RewardEarned", as_json(EARNED | {"value": None})) != of("RewardEarned", as_json(EARNED))
    assert of("RewardIssued", as_json(ISSUED)) != of(
        "RewardIssued", as_json(ISSUED | {"issuedAt": REQUEST["effectiveAt"]})
    )
