"""Decoding returns exactly what was sent, in both modes, with defaults applied."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from unenroll.core import events
from unenroll.core.definitions import EnrollmentMode, TargetGroup, TargetKind
from unenroll.core.events import EnrollmentOrigin, EventId, ExpectedAccount, RewardAllocation, SettlementDue, Value
from unenroll.wire.decode import ReceivedGroup, decode, decode_group
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import CARRIES, Headers, Record, Topic
from wire.samples import (
    DEFINED,
    DUE,
    EARNED,
    ENROLLED,
    ISSUED,
    REQUEST,
    STRUCTURED,
    as_json,
    headers,
    record,
    structured,
    taken,
)

KEY = EventId("7f1c", "/crm/app")
AT = datetime(2026, 3, 15, 4, 0, tzinfo=UTC)


def test_a_request_carries_everything_it_says() -> None:
    received = taken(as_json(REQUEST))
    assert received.event == events.UnenrollRequested(
        key=KEY,
        time=AT,
        customer_id=423789336,
        group_id=11,
        target_id=21,
        effective_at=AT,
        reason="customer asked",
        requested_by="agent 7",
        expected=ExpectedAccount(6, EventId("7f1b", "/crm/app")),
    )
    assert (received.event_type, received.time, received.traceparent) == ("UnenrollRequested", AT, None)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, None),
        ({"decision": 0}, ExpectedAccount(0)),
        ({"decision": 5.0, "after": None, "note": []}, ExpectedAccount(5)),
    ],
)
def test_a_request_may_carry_what_a_plan_saw(told: object, expected: ExpectedAccount | None) -> None:
    event = taken(as_json(REQUEST | {"expected": told})).event
    assert isinstance(event, events.UnenrollRequested)
    assert event.expected == expected


@pytest.mark.parametrize("customer_id", [0, -1, -(2**63)])
def test_a_request_of_a_customer_who_cannot_be_is_read(customer_id: int) -> None:
    assert taken(as_json(REQUEST | {"customerId": customer_id})).event.customer_id == customer_id


def test_facts_carry_everything_they_say() -> None:
    def fact(name: str, data: object) -> object:
        return taken(as_json(data), headers(name), topic=Topic.FACTS).event

    assert fact("CustomerEnrolled", ENROLLED) == events.CustomerEnrolled(
        key=KEY,
        customer_id=423789336,
        group_id=11,
        target_id=21,
        enrolled_at=datetime(2026, 1, 1, tzinfo=UTC),
        period_name="c1",
        initial_balance=Decimal("12.5"),
        reset_streak_status=True,
        origin=EnrollmentOrigin.AUTOMATIC,
    )
    assert fact("RewardEarned", EARNED) == events.RewardEarned(
        key=KEY,
        reward_id="R3",
        customer_id=423789336,
        group_id=11,
        target_id=21,
        period_name="c3",
        allocation=RewardAllocation.PERIOD_END,
        achieved_at=datetime(2026, 3, 5, 10, tzinfo=UTC),
        level=4,
        issued_at=datetime(2026, 4, 1, 6, tzinfo=UTC),
        value=Value(Decimal("12.50"), "EUR"),
    )
    assert fact("RewardIssued", ISSUED) == events.RewardIssued(
        key=KEY,
        reward_id="R3",
        customer_id=423789336,
        target_id=21,
        issued_at=datetime(2026, 4, 1, 6, tzinfo=UTC),
    )
    assert fact("SettlementDue", DUE) == SettlementDue(
        key=KEY, customer_id=423789336, group_id=11, target_id=21, version=2
    )


def test_a_definition_carries_everything_it_says() -> None:
    received = decode_group(record(as_json(DEFINED), headers("TargetGroupDefined")))
    assert isinstance(received, ReceivedGroup)
    group = received.group
    assert isinstance(group, TargetGroup)
    assert (group.group_id, group.name, group.version, group.active) == (12, "XYZ", 1, True)
    assert group.time_zone == "Asia/Kolkata"
    assert [(cycle.number, cycle.name, cycle.start.day) for cycle in group.calendar.cycles] == [
        (1, "d1", 1),
        (2, "d2", 2),
    ]
    streak, milestone = group.targets[22], group.targets[23]
    assert (streak.kind, streak.active, streak.enrollment, streak.levels) == (
        TargetKind.STREAK,
        False,
        EnrollmentMode.AUTOMATIC,
        (4, 8, 12),
    )
    assert (milestone.kind, milestone.active, milestone.enrollment, milestone.levels) == (
        TargetKind.MILESTONE,
        True,
        EnrollmentMode.EXPLICIT,
        (),
    )
    assert received.key == KEY


def test_optional_fields_may_be_null_or_missing_and_then_have_their_defaults() -> None:
    least: dict[str, object] = {"customerId": 1, "targetGroupId": 2, "targetId": 3}
    nulls: dict[str, object] = {"effectiveAt": None, "reason": None, "requestedBy": None}
    for data in (least, least | nulls):
        event = taken(as_json(data)).event
        assert isinstance(event, events.UnenrollRequested)
        assert (event.effective_at, event.reason, event.requested_by) == (AT, None, None)
    least |= {"enrolledAt": "2026-01-01T00:00:00Z"}
    nulls = {"periodName": None, "initialBalance": None, "resetStreakStatus": None, "origin": None}
    for data in (least, least | nulls):
        enrolled = taken(as_json(data), headers("CustomerEnrolled"), topic=Topic.FACTS).event
        assert isinstance(enrolled, events.CustomerEnrolled)
        assert (enrolled.period_name, enrolled.initial_balance) == (None, None)
        assert (enrolled.reset_streak_status, enrolled.origin) == (False, EnrollmentOrigin.EXPLICIT)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        b"",
        b"application/json",
        b"application/json; charset=utf-8",
        b"Application/JSON",
        b"text/json",
        b"application/vnd.crm.leave+json",
    ],
)
def test_binary_mode_is_json_in_whatever_words(content_type: bytes | None) -> None:
    assert taken(as_json(REQUEST), headers(content_type=content_type)) == taken(as_json(REQUEST))


@pytest.mark.parametrize(
    "head",
    [
        STRUCTURED,
        (("content-type", b"application/cloudevents+json; charset=UTF-8"),),
        (("content-type", b"APPLICATION/CloudEvents+JSON ;charset=utf-8"),),
        (("Content-Type", b"application/cloudevents+json"),),
        (*STRUCTURED, ("ce_id", b"of the envelope, not of the headers"), ("other", None)),
    ],
)
def test_structured_mode_says_the_same_as_binary_mode(head: Headers) -> None:
    assert taken(structured(), head) == taken(as_json(REQUEST))
    assert taken(structured(datacontenttype="application/json"), head) == taken(as_json(REQUEST))


def test_headers_and_fields_that_nobody_knows_are_ignored() -> None:
    head = (*headers(), ("x", None), ("x", b"\xff"), ("é", b""), ("ce_subject", b"reward"), ("dlq_redrives", b"1"))
    data = as_json(REQUEST | {"note": {"a": [1, 5.5, None, "\ud800", "\x00"]}, "customer_id": 1})
    assert taken(data, head) == taken(as_json(REQUEST))


def test_a_traceparent_is_passed_on_unless_it_is_absurdly_long() -> None:
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert taken(as_json(REQUEST), (*headers(), ("traceparent", trace))).traceparent == trace
    assert taken(structured(), (*STRUCTURED, ("traceparent", trace))).traceparent == trace
    assert taken(as_json(REQUEST), (*headers(), ("traceparent", None))).traceparent is None
    assert taken(as_json(REQUEST), (*headers(), ("traceparent", b"0" * 257))).traceparent is None


@pytest.mark.parametrize("text", ["5", "5.0", "5e0", "0.5e1", "50E-1", "5." + "0" * 1000])
def test_a_number_without_fraction_is_an_integer_however_it_is_written(text: str) -> None:
    value = b'{"customerId": %s, "targetGroupId": 11, "targetId": 21}' % text.encode()
    customer_id = taken(value).event.customer_id
    assert (customer_id, type(customer_id)) == (5, int)


@pytest.mark.parametrize(
    "text", ["9223372036854775807", "-9223372036854775808", "9223372036854775807.0", "9007199254740993.0"]
)
def test_big_integers_survive_exactly(text: str) -> None:
    value = b'{"customerId": 1, "targetGroupId": 11, "targetId": %s}' % text.encode()
    assert taken(value).event.target_id == int(text.removesuffix(".0"))


def test_of_a_name_given_twice_the_last_one_counts() -> None:
    value = b'{"customerId": 1, "targetGroupId": 11, "targetId": 21, "customerId": 2}'
    assert taken(value).event.customer_id == 2


@pytest.mark.parametrize(
    "text", ["0.1", "12.50", "1e2", "-3", "0.1000000000000000055511151231257827", "1" * 38, "1e-38"]
)
def test_a_balance_survives_exactly(text: str) -> None:
    value = as_json(ENROLLED | {"initialBalance": 777}).replace(b"777", text.encode())
    event = taken(value, headers("CustomerEnrolled"), topic=Topic.FACTS).event
    assert isinstance(event, events.CustomerEnrolled)
    assert event.initial_balance == Decimal(text)


@pytest.mark.parametrize("text", ["0.10", "12.50", "-0.00", "250", "1234567890123456789.123456789012345678"])
def test_an_amount_keeps_every_digit(text: str) -> None:
    value = as_json(EARNED | {"value": {"amount": text, "unit": "EUR"}})
    event = taken(value, headers("RewardEarned"), topic=Topic.FACTS).event
    assert isinstance(event, events.RewardEarned)
    assert event.value is not None
    assert format(event.value.amount, "f") == text


def test_the_key_of_the_record_decides_nothing() -> None:
    def with_key(key: bytes | None) -> object:
        unlike = Record(topic="t", partition=0, offset=0, key=key, value=as_json(REQUEST), headers=headers())
        return decode(unlike, CARRIES[Topic.REQUESTS])

    assert with_key(None) == with_key(b"1") == with_key(b"\xff") == with_key(b"423789336")
    assert not isinstance(with_key(None), DeadLetter)
