"""Stories of accounts that are in no database."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from support.events import ABC, utc
from support.files import event_line
from unenroll.core.calendar import Calendar
from unenroll.core.changes import SettledAccount, SettledLeave, SettledReward
from unenroll.core.decide import AccountState, resettle
from unenroll.core.definitions import Target, TargetGroup, TargetKind
from unenroll.core.events import EnrollmentOrigin, EventId, RewardAllocation, Value
from unenroll.core.facts import Account, Enrollment, Leave, Reward
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import RewardAction, RewardState, Rule
from unenroll.explain.story import AccountStory, story
from unenroll.postgres.accounts import KnownAccount
from unenroll.postgres.history import AccountHistory

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def days(count: int) -> Calendar:
    """Cycles of one day each, d1 and so on, from the first day of 2026."""
    starts = [NEW_YEAR + timedelta(days=number) for number in range(count)]
    return Calendar.from_periods(
        (f"d{number}", start, start + timedelta(days=1)) for number, start in enumerate(starts, start=1)
    )


def day(number: float) -> datetime:
    """When the day of this number begins, counted from 1; with a fraction, later that day."""
    return NEW_YEAR + timedelta(days=number - 1)


def enrollment(at: float) -> Enrollment:
    """An enrollment at this day."""
    return Enrollment(EventId(f"in {at}", "/crm"), day(at))


def leave(at: float) -> Leave:
    """A leave at this day."""
    return Leave(EventId(f"out {at}", "/crm"), day(at))


def reward(reward_id: str, at: float, *, allocation: RewardAllocation = RewardAllocation.IMMEDIATE) -> Reward:
    """A reward of the cycle of this day."""
    return Reward(reward_id, int(at), allocation, day(at))


def story_of(calendar: Calendar, facts: Iterable[Enrollment | Leave], rewards: Sequence[Reward] = ()) -> AccountStory:
    """The story of an account with these facts."""
    target = Target(target_id=21, name="Milestone ABC", kind=TargetKind.MILESTONE)
    account = Account(customer_id=7, target_id=21)
    for fact in (*facts, *rewards):
        account = account.with_fact(fact)
    state = resettle(AccountState(account), target, calendar).state
    group = TargetGroup(
        group_id=11, name="Daily", version=1, active=True, time_zone="UTC", calendar=calendar, targets={21: target}
    )
    return story(AccountHistory(account=KnownAccount(state=state), group=group, first_seen={}), ())


FIRST, SECOND = EventId("first", "/crm"), EventId("second", "/crm")
STATE = AccountState(
    account=Account(
        customer_id=1,
        target_id=21,
        enrollments=(
            Enrollment(
                key=EventId("in", "/crm"),
                enrolled_at=utc("2026-01-01T00:00:00Z"),
                from_cycle=2,
                initial_balance=Decimal("0.10"),
                reset_streak_status=True,
                origin=EnrollmentOrigin.AUTOMATIC,
            ),
        ),
        leaves=(
            Leave(key=FIRST, effective_at=utc("2026-03-15T00:00:00Z"), reason="😀", requested_by="agent"),
            Leave(key=SECOND, effective_at=utc("2026-04-15T00:00:00Z")),
        ),
        rewards=(
            Reward(
                reward_id="R1", cycle=1, allocation=RewardAllocation.PERIOD_END, achieved_at=utc("2026-01-05T00:00:00Z")
            ),
            Reward(
                reward_id="R2",
                cycle=3,
                allocation=RewardAllocation.IMMEDIATE,
                achieved_at=utc("2026-03-20T00:00:00Z"),
                level=4,
                value=Value(Decimal("12.50"), "EUR"),
            ),
        ),
        issuances={"R2": utc("2026-03-22T00:00:00Z")},
    ),
    settled=SettledAccount(
        leaves={FIRST: SettledLeave(Outcome.UNENROLLED, 3), SECOND: SettledLeave(Outcome.ALREADY_UNENROLLED)},
        rewards={
            "R1": SettledReward(RewardState.KEPT, Rule.CYCLE_FINISHED),
            "R2": SettledReward(
                RewardState.CANCELLED,
                Rule.AFTER_UNENROLLMENT,
                RewardAction.REVERSE,
                revision=1,
                leave=SECOND,
                cancelled_by=FIRST,
            ),
        },
        revision=2,
    ),
)
"""Customer 1 in target 21."""

CUSTOMER = 423789336
WORDS = {
    "group": "</title><script>alert(1)</script>",
    "target": '"><img src=x onerror=alert(1)> \N{RIGHT-TO-LEFT OVERRIDE}gniht on',
    "cycle": "</text></svg><style>*{display:none}</style>",
    "reward": "R' onclick='alert(1)' <a href=javascript:1>",
    "reason": "{{ 7 * 7 }} {% include 'x' %} <!-- &lt;b&gt; \x1b[31m",
    "requester": "]]><svg onload=alert(1)>",
    "source": "/crm/<iframe src=//x>",
    "unit": "</style><link rel=stylesheet href=//x>",
}
_TARGET: dict[str, Any] = {"targetGroupId": 11, "targetId": 21}


def definition(words: dict[str, str]) -> str:
    """A line for `load`: the campaign under these names."""
    cycles: list[Any] = [dict(cycle) for cycle in ABC["cycles"]]  # type: ignore[attr-defined]
    cycles[2]["periodName"] = words["cycle"]
    targets = [{"targetId": 21, "name": words["target"], "kind": "MILESTONE"}]
    data = {**ABC, "name": words["group"], "cycles": cycles, "targets": targets}
    return json.dumps({"type": "TargetGroupDefined", "id": "g11", "data": data})


def facts(words: dict[str, str]) -> list[str]:
    """Lines for `publish`: enrolled, two rewards, and a leave that cancels one."""
    reward: dict[str, Any] = {**_TARGET, "value": {"amount": "1", "unit": words["unit"]}}
    return [
        event_line("CustomerEnrolled", "in", enrolledAt="2026-01-01T00:00:00Z", **_TARGET),
        *(
            event_line(
                *("RewardEarned", f"e {allocation}"),
                **{**reward, "rewardId": f"{words['reward']} {allocation}", "periodName": words["cycle"]},
                allocation=allocation,
                achievedAt="2026-03-05T00:00:00Z",
            )
            for allocation in ("IMMEDIATE", "PERIOD_END")
        ),
        _leave(words),
    ]


def _leave(words: dict[str, str]) -> str:
    asked = event_line(
        *("UnenrollRequested", words["requester"]),
        time="2026-03-15T00:00:00Z",
        reason=words["reason"],
        requestedBy=words["requester"],
        **_TARGET,
    )
    return json.dumps({**json.loads(asked), "source": words["source"]})
