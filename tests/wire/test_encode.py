"""Published events: exact fields, exact bytes, ids that never change."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.consumer import MODELS
from unenroll.core.calendar import Calendar
from unenroll.core.changes import Change, RewardCancellation, RewardReinstatement, Span, Unenrollment
from unenroll.core.decide import Rejection
from unenroll.core.definitions import TargetKind
from unenroll.core.events import EventId, RewardAllocation, SettlementDue, UnenrollRequested, Value
from unenroll.core.facts import Leave, Reward
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import RewardAction, Rule
from unenroll.wire.decode import ReceivedEvent, decode
from unenroll.wire.encode import DecisionContext, encode, encode_settlement_due
from unenroll.wire.topics import CARRIES, TOPIC_OF, Message, Record, Topic

LEAVE = Leave(
    key=EventId("7f1c", "/crm/app"),
    effective_at=datetime(2026, 3, 15, 9, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    reason="customer asked",
)
CALENDAR = Calendar.from_periods(
    [
        ("c1", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)),
        ("c2", datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
        ("c3", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)),
    ]
)
CONTEXT = DecisionContext(
    customer_id=9223372036854775807,
    group_id=11,
    target_id=21,
    cause=EventId("f-1", "/engine"),
    decided_at=datetime(2026, 3, 15, 4, 0, 1, 120, tzinfo=UTC),
    calendar=CALENDAR,
    traceparent=b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)
REWARD = Reward(
    reward_id="R3",
    cycle=3,
    allocation=RewardAllocation.PERIOD_END,
    achieved_at=datetime(2026, 3, 5, 10, tzinfo=UTC),
    value=Value(Decimal("0.10"), "EUR"),
)
UNENROLLED = Unenrollment(
    leave=LEAVE,
    kind=TargetKind.STREAK,
    cut_cycle="c3",
    dropped_cycles=Span(first="c3", last="c5", count=3),
    kept_cycles=Span(first="c1", last="c2", count=2),
    levels_kept=(4, 8),
    rewards_cancelled=1,
    supersedes=EventId("6e0b", "/crm/app"),
    revision=2,
)
REJECTED = Rejection(
    request=UnenrollRequested(
        key=EventId("7f1c", "/crm/app"),
        time=datetime(2026, 3, 15, 4, tzinfo=UTC),
        customer_id=-5,
        group_id=11,
        target_id=21,
        effective_at=datetime(2026, 3, 15, 4, 0, 0, 123456, tzinfo=UTC),
        requested_by="agent 7 \u2013 \U0001f600",
    ),
    outcome=Outcome.INVALID_CUSTOMER,
    detail="There is no such customer.",
)
CANCELLED = RewardCancellation(
    reward=REWARD, leave=LEAVE, rule=Rule.PERIOD_END_LOST, action=RewardAction.VOID, revision=1
)
REINSTATED = RewardReinstatement(reward=REWARD, leave=LEAVE, rule=Rule.CARRIED_ON, revision=2)
CHANGES: dict[str, Change | Rejection] = {
    "UserUnenrolled": UNENROLLED,
    "UnenrollRejected": REJECTED,
    "RewardCancelled": CANCELLED,
    "RewardReinstated": REINSTATED,
}

GOLDEN_IDS = {
    "UserUnenrolled": "c021fa3e-1e75-578f-a83f-fbbd08b07c59",
    "UnenrollRejected": "ea78f300-6b45-5228-b6e7-8205957b3bf9",
    "RewardCancelled": "b065ea39-b8cb-51ef-9590-af7d716a0db1",
    "RewardReinstated": "4432acbc-ce7c-571e-b28f-c25159feaae0",
}
GOLDEN_VALUES = {
    "UserUnenrolled": (
        '{"customerId":9223372036854775807,"targetGroupId":11,"targetId":21,"requestId":"7f1c",'
        '"requestSource":"/crm/app","effectiveAt":"2026-03-15T04:00:00Z",'
        '"unenrollmentId":"5b2ceb3d-c0ae-58ad-a53b-7aa799931e84","kind":"STREAK","cutPeriod":"c3",'
        '"droppedPeriods":{"first":"c3","last":"c5","count":3},"keptPeriods":{"first":"c1","last":"c2",'
        '"count":2},"levelsKept":[4,8],"rewardsCancelled":1,'
        '"supersedes":"b996aa4e-da3d-507b-b789-804ba01df654","revision":2,"reason":"customer asked",'
        '"requestedBy":null}'
    ),
    "UnenrollRejected": (
        '{"customerId":-5,"targetGroupId":11,"targetId":21,"requestId":"7f1c","requestSource":"/crm/app",'
        '"effectiveAt":"2026-03-15T04:00:00.123456Z","outcome":"INVALID_CUSTOMER","code":310011,'
        '"detail":"There is no such customer.","reason":null,"requestedBy":"agent 7 \u2013 😀"}'
    ),
    "RewardCancelled": (
        '{"customerId":9223372036854775807,"targetGroupId":11,"targetId":21,"requestId":"7f1c",'
        '"requestSource":"/crm/app","effectiveAt":"2026-03-15T04:00:00Z","rewardId":"R3",'
        '"unenrollmentId":"5b2ceb3d-c0ae-58ad-a53b-7aa799931e84","periodName":"c3","level":null,'
        '"allocation":"PERIOD_END","achievedAt":"2026-03-05T10:00:00Z","value":{"amount":"0.10",'
        '"unit":"EUR"},"revision":1,"rule":"PERIOD_END_LOST","action":"VOID"}'
    ),
    "RewardReinstated": (
        '{"customerId":9223372036854775807,"targetGroupId":11,"targetId":21,"requestId":"7f1c",'
        '"requestSource":"/crm/app","effectiveAt":"2026-03-15T04:00:00Z","rewardId":"R3",'
        '"unenrollmentId":"5b2ceb3d-c0ae-58ad-a53b-7aa799931e84","periodName":"c3","level":null,'
        '"allocation":"PERIOD_END","achievedAt":"2026-03-05T10:00:00Z","value":{"amount":"0.10",'
        '"unit":"EUR"},"revision":2,"rule":"CARRIED_ON"}'
    ),
}


def header(message: Message, name: str) -> str:
    value = dict(message.headers)[name]
    assert value is not None
    return value.decode()


@pytest.mark.parametrize("name", CHANGES)
def test_an_event_has_these_very_bytes(name: str) -> None:
    assert encode(CHANGES[name], CONTEXT).value == GOLDEN_VALUES[name].encode()


@pytest.mark.parametrize("name", CHANGES)
def test_an_event_has_these_very_headers(name: str) -> None:
    message = encode(CHANGES[name], CONTEXT)
    assert message.topic == TOPIC_OF[name]
    assert message.key == b"9223372036854775807"
    assert message.headers == (
        ("ce_specversion", b"1.0"),
        ("ce_type", f"unenroll.{name}.v1".encode()),
        ("ce_source", b"/unenroll"),
        ("ce_id", GOLDEN_IDS[name].encode()),
        ("ce_time", b"2026-03-15T04:00:01.000120Z"),
        ("content-type", b"application/json"),
        ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    )


def test_without_traceparent_there_is_no_such_header() -> None:
    silent = DecisionContext(
        customer_id=1, group_id=11, target_id=21, cause=LEAVE.key, decided_at=CONTEXT.decided_at, calendar=CALENDAR
    )
    assert "traceparent" not in dict(encode(UNENROLLED, silent).headers)


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_published_reads_back(name: str) -> None:
    value = encode(CHANGES[name], CONTEXT).value
    assert value is not None
    data = MODELS[name].validate_json(value, strict=True)
    assert data["effectiveAt"].utcoffset() == timedelta(0)
    assert MODELS[name].dump_json(data) == value


def test_nothing_is_left_out_where_there_is_nothing() -> None:
    bare = Unenrollment(
        leave=LEAVE,
        kind=TargetKind.MILESTONE,
        cut_cycle=None,
        dropped_cycles=None,
        kept_cycles=None,
        levels_kept=None,
        rewards_cancelled=0,
        supersedes=None,
        revision=1,
    )
    value = encode(bare, CONTEXT).value
    assert value is not None
    told = json.loads(value)
    nulls = {field for field, content in told.items() if content is None}
    assert nulls == {"cutPeriod", "droppedPeriods", "keptPeriods", "levelsKept", "supersedes", "requestedBy"}


@given(amount=st.decimals(allow_nan=False, allow_infinity=False, places=7, min_value=-(10**9), max_value=10**9))
def test_an_amount_is_published_without_exponent_and_exactly(amount: Decimal) -> None:
    reward = Reward(
        reward_id="R",
        cycle=1,
        allocation=RewardAllocation.IMMEDIATE,
        achieved_at=CONTEXT.decided_at,
        value=Value(amount, "EUR"),
    )
    value = encode(RewardReinstatement(reward=reward, leave=LEAVE, rule=Rule.ENROLLED, revision=1), CONTEXT).value
    assert value is not None
    told = json.loads(value)["value"]["amount"]
    assert "E" not in told
    assert Decimal(told) == amount


def test_a_settlement_that_is_due_is_read_by_the_worker_itself() -> None:
    message = encode_settlement_due(account=(423789336, 21), group_id=11, version=2, time=CONTEXT.decided_at)
    again = encode_settlement_due(account=(423789336, 21), group_id=11, version=2, time=CONTEXT.decided_at)
    assert message == again
    record = Record(
        topic="unenroll.facts", partition=0, offset=0, key=message.key, value=message.value, headers=message.headers
    )
    received = decode(record, CARRIES[Topic.FACTS])
    assert isinstance(received, ReceivedEvent)
    assert received.event == SettlementDue(
        key=EventId(header(message, "ce_id"), "/unenroll"), customer_id=423789336, group_id=11, target_id=21, version=2
    )
    later = encode_settlement_due(account=(423789336, 21), group_id=11, version=3, time=CONTEXT.decided_at)
    assert header(later, "ce_id") != header(message, "ce_id")
