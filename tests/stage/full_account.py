"""An account with everything in it that an account may have."""

from decimal import Decimal

from stage.events import utc
from unenroll.core.changes import Settled, SettledLeave, SettledReward
from unenroll.core.decide import AccountState
from unenroll.core.events import Allocation, EventId, Origin, Value
from unenroll.core.facts import Account, Enrollment, Leave, Reward
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import Action, Rule, State

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
                origin=Origin.AUTOMATIC,
            ),
        ),
        leaves=(
            Leave(key=FIRST, effective_at=utc("2026-03-15T00:00:00Z"), reason="😀", requested_by="agent"),
            Leave(key=SECOND, effective_at=utc("2026-04-15T00:00:00Z")),
        ),
        rewards=(
            Reward(reward_id="R1", cycle=1, allocation=Allocation.PERIOD_END, achieved_at=utc("2026-01-05T00:00:00Z")),
            Reward(
                reward_id="R2",
                cycle=3,
                allocation=Allocation.IMMEDIATE,
                achieved_at=utc("2026-03-20T00:00:00Z"),
                level=4,
                value=Value(Decimal("12.50"), "EUR"),
            ),
        ),
        issued={"R2": utc("2026-03-22T00:00:00Z")},
    ),
    settled=Settled(
        leaves={FIRST: SettledLeave(Outcome.UNENROLLED, 3), SECOND: SettledLeave(Outcome.ALREADY_UNENROLLED)},
        rewards={
            "R1": SettledReward(State.KEPT, Rule.CYCLE_FINISHED),
            "R2": SettledReward(
                State.CANCELLED, Rule.AFTER_UNENROLLMENT, Action.REVERSE, revision=1, leave=SECOND, cancelled_by=FIRST
            ),
        },
        revision=2,
    ),
)
"""Customer 1 in target 21."""
