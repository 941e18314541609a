"""What is published is what the schemas say, to the last field."""

import json
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from agree.schema_files import BY_NAME, VALIDATORS
from support.consumer import MODELS
from unenroll.core.calendar import Calendar
from unenroll.core.changes import Change, RewardCancellation, RewardReinstatement, Span, Unenrollment
from unenroll.core.decide import Rejection
from unenroll.core.definitions import TargetKind
from unenroll.core.events import EventId, RewardAllocation, UnenrollRequested, Value
from unenroll.core.facts import Leave, Reward
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import CANCELLING_RULES, RewardAction, Rule
from unenroll.wire.encode import DecisionContext, encode, encode_settlement_due
from unenroll.wire.topics import event_name

NO_NUL = st.characters(codec="utf-8", exclude_characters="\x00")
INT64 = st.integers(-(2**63), 2**63 - 1)
COUNTS = st.integers(1, 2**63 - 1)
OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=OFFSETS)  # noqa: DTZ001 - they get one
NAMES = st.text(NO_NUL, min_size=1, max_size=200)
REMARKS = st.none() | st.text(NO_NUL, max_size=200)
KEYS = st.builds(EventId, st.text(NO_NUL, min_size=1, max_size=1024), st.text(NO_NUL, min_size=1, max_size=1024))
LEAVES = st.builds(Leave, key=KEYS, effective_at=INSTANTS, reason=REMARKS, requested_by=REMARKS)
SPANS = st.none() | st.builds(Span, first=NAMES, last=NAMES, count=COUNTS)
AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**18), max_value=10**18)
REWARDS = st.builds(
    Reward,
    reward_id=st.text(NO_NUL, min_size=1, max_size=64),
    cycle=st.just(1),
    allocation=st.sampled_from(RewardAllocation),
    achieved_at=INSTANTS,
    level=st.none() | INT64,
    value=st.none() | st.builds(Value, AMOUNTS, NAMES),
)
CHANGES = st.one_of(
    st.builds(
        Unenrollment,
        leave=LEAVES,
        kind=st.sampled_from(TargetKind),
        cut_cycle=st.none() | NAMES,
        dropped_cycles=SPANS,
        kept_cycles=SPANS,
        levels_kept=st.none() | st.lists(COUNTS, max_size=3).map(tuple),
        rewards_cancelled=st.integers(0, 2**63 - 1),
        supersedes=st.none() | KEYS,
        revision=COUNTS,
    ),
    st.builds(
        Rejection,
        request=st.builds(
            UnenrollRequested,
            key=KEYS,
            time=INSTANTS,
            customer_id=INT64,
            group_id=INT64,
            target_id=INT64,
            effective_at=INSTANTS,
            reason=REMARKS,
            requested_by=REMARKS,
        ),
        outcome=st.sampled_from([outcome for outcome in Outcome if outcome is not Outcome.UNENROLLED]),
        detail=st.text(NO_NUL),
    ),
    st.builds(
        RewardCancellation,
        reward=REWARDS,
        leave=LEAVES,
        rule=st.sampled_from(sorted(CANCELLING_RULES)),
        action=st.sampled_from(RewardAction),
        revision=COUNTS,
    ),
    st.builds(
        RewardReinstatement,
        reward=REWARDS,
        leave=LEAVES,
        rule=st.sampled_from(sorted(set(Rule) - CANCELLING_RULES)),
        revision=COUNTS,
    ),
)
CONTEXTS = st.builds(
    DecisionContext,
    customer_id=INT64,
    group_id=INT64,
    target_id=INT64,
    cause=KEYS,
    decided_at=INSTANTS,
    calendar=st.just(
        Calendar.from_periods([("c1", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))]),
    ),
    traceparent=st.none() | st.binary(max_size=60),
)


@given(change=CHANGES, context=CONTEXTS)
def test_whatever_is_decided_is_published_as_its_schema_says(
    change: Change | Rejection, context: DecisionContext
) -> None:
    message = encode(change, context)
    head = {name: (value or b"").decode("utf-8", "replace") for name, value in message.headers}
    name = event_name(head["ce_type"])
    assert name is not None
    assert message.value is not None
    data = json.loads(message.value)
    VALIDATORS[name].validate(data)
    assert data.keys() == BY_NAME[name]["properties"].keys()
    read_back = MODELS[name].validate_json(message.value, strict=True)
    assert MODELS[name].dump_json(read_back) == message.value


@given(account=st.tuples(st.integers(1, 2**63 - 1), INT64), group_id=INT64, version=INT64, time=INSTANTS)
def test_a_settlement_is_due_as_its_schema_says(
    account: tuple[int, int], group_id: int, version: int, time: datetime
) -> None:
    message = encode_settlement_due(account=account, group_id=group_id, version=version, time=time)
    assert message.value is not None
    VALIDATORS["SettlementDue"].validate(json.loads(message.value))
