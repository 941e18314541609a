"""What is read is what was sent: in both modes, exactly, with defaults applied."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unenroll.core import events
from unenroll.core.definitions import EnrollmentMode, Group, Kind
from unenroll.core.events import Allocation, EventId, Origin, Value
from unenroll.wire.decode import ReceivedGroup, decode, decode_group
from unenroll.wire.due import SettlementDue
from unenroll.wire.instants import instant_text, parse_instant
from unenroll.wire.names import CARRIES, Topic
from unenroll.wire.record import Headers, Record
from unenroll.wire.refusals import DeadLetter
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
    read,
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
    )
    assert (received.event_type, received.time, received.traceparent) == ("UnenrollRequested", AT, None)


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
        origin=Origin.AUTOMATIC,
    )
    assert fact("RewardEarned", EARNED) == events.RewardEarned(
        key=KEY,
        reward_id="R3",
        customer_id=423789336,
        group_id=11,
        target_id=21,
        period_name="c3",
        allocation=Allocation.PERIOD_END,
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
    assert isinstance(group, Group)
    assert (group.group_id, group.name, group.version, group.active) == (12, "XYZ", 1, True)
    assert group.time_zone == "Asia/Kolkata"
    assert [(cycle.number, cycle.name, cycle.start.day) for cycle in group.calendar.cycles] == [
        (1, "d1", 1),
        (2, "d2", 2),
    ]
    streak, milestone = group.targets[22], group.targets[23]
    assert (streak.kind, streak.active, streak.enrollment, streak.levels) == (
        Kind.STREAK,
        False,
        EnrollmentMode.AUTOMATIC,
        (4, 8, 12),
    )
    assert (milestone.kind, milestone.active, milestone.enrollment, milestone.levels) == (
        Kind.MILESTONE,
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
        assert (enrolled.reset_streak_status, enrolled.origin) == (False, Origin.EXPLICIT)


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


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2026-03-15T04:00:00Z", 0),
        ("2026-03-15t04:00:00z", 0),
        ("2026-03-15 04:00:00Z", 0),
        ("2026-03-15T09:30:00+05:30", 0),
        ("2026-03-14T20:00:00-08:00", 0),
        ("2026-03-15T04:00:00-00:00", 0),
        ("2026-03-15T04:00:00.5Z", 500_000),
        ("2026-03-15T04:00:00.123456Z", 123_456),
        ("2026-03-15T04:00:00.1234569Z", 123_456),
        ("2026-03-15T04:00:00.999999999999+00:00", 999_999),
        ("2026-03-15T04:00:00.0000009z", 0),
    ],
)
def test_instants_become_utc_and_are_truncated_to_microseconds(text: str, microseconds: int) -> None:
    event = taken(as_json(REQUEST | {"effectiveAt": text})).event
    assert isinstance(event, events.UnenrollRequested)
    assert event.effective_at == AT + timedelta(microseconds=microseconds)
    assert event.effective_at.tzinfo is UTC
    assert taken(as_json(REQUEST), headers(ce_time=text.encode())).time == event.effective_at


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_the_first_and_the_last_instant_there_is_are_read(text: str) -> None:
    assert instant_text(parse_instant(text)) == text


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_that_is_written_is_read_back(instant: datetime) -> None:
    assert parse_instant(instant_text(instant)) == instant


def test_a_naive_instant_is_not_written() -> None:
    with pytest.raises(ValueError, match="no offset"):
        instant_text(datetime(2026, 3, 15))  # noqa: DTZ001 - the point


HEADER_NAMES = st.one_of(
    st.sampled_from(
        ["ce_specversion", "ce_type", "ce_source", "ce_id", "ce_time", "content-type", "traceparent", "dlq_redrives"]
    ),
    st.text(st.characters(), max_size=8),
)
HEADER_VALUES = st.one_of(
    st.none(),
    st.binary(max_size=40),
    st.sampled_from([value for _, value in (*headers(), *STRUCTURED)]),
    st.sampled_from([b"unenroll.RewardEarned.v1", b"unenroll.TargetGroupDefined.v1", b"2026-03-15T09:30:00"]),
)
HEADERS = st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), max_size=9).map(tuple)
NAMES = st.sampled_from([*REQUEST, *ENROLLED, *EARNED, *DEFINED, "specversion", "type", "source", "id", "time", "data"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=7),
    max_leaves=12,
)
VALUES = st.one_of(
    st.none(),
    st.binary(max_size=60),
    JSON.map(as_json),
    st.tuples(
        st.sampled_from([as_json(REQUEST), structured(), as_json(DEFINED)]), st.integers(0, 400), st.binary(max_size=3)
    ).map(lambda spoil: spoil[0][: spoil[1]] + spoil[2] + spoil[0][spoil[1] :]),
)
SPOILED = st.dictionaries(NAMES, JSON, max_size=4).map(lambda changed: as_json(REQUEST | changed))


@given(
    value=VALUES | SPOILED,
    head=HEADERS | st.just(headers()) | st.just(STRUCTURED),
    topic=st.sampled_from([Topic.REQUESTS, Topic.FACTS]),
)
def test_nothing_that_comes_raises(value: bytes | None, head: Headers, topic: Topic) -> None:
    for name in ("UnenrollRequested", "CustomerEnrolled", "RewardEarned"):
        for with_type in (head, (*head, ("ce_type", f"unenroll.{name}.v1".encode()))):
            read(value, with_type, topic=topic)


@given(
    changed=st.dictionaries(NAMES, JSON, max_size=4),
    name=st.sampled_from(["CustomerEnrolled", "RewardEarned", "RewardIssued"]),
)
def test_no_data_raises(changed: dict[str, object], name: str) -> None:
    sample = {"CustomerEnrolled": ENROLLED, "RewardEarned": EARNED, "RewardIssued": ISSUED}[name]
    read(as_json(sample | changed), headers(name), topic=Topic.FACTS)
    decode_group(record(as_json(DEFINED | changed), headers("TargetGroupDefined")))


def test_the_key_of_the_record_decides_nothing() -> None:
    def with_key(key: bytes | None) -> object:
        unlike = Record(topic="t", partition=0, offset=0, key=key, value=as_json(REQUEST), headers=headers())
        return decode(unlike, CARRIES[Topic.REQUESTS])

    assert with_key(None) == with_key(b"1") == with_key(b"\xff") == with_key(b"423789336")
    assert not isinstance(with_key(None), DeadLetter)
