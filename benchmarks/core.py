"""What one decision costs in the pure core: microseconds of `decide`, the least of several repeats, by case.

The cases show what the cost must not depend on (how long the calendar is) and what it may only grow in step with (how
much is known of the account).
"""

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from time import process_time
from timeit import Timer
from typing import Any

from unenroll.core.calendar import Calendar
from unenroll.core.decide import AccountState, Decision, decide
from unenroll.core.definitions import DefinitionSet, Target, TargetGroup, TargetKind
from unenroll.core.events import CustomerEnrolled, Event, EventId, RewardAllocation, RewardEarned, UnenrollRequested

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
ACCOUNT: dict[str, Any] = {"customer_id": 1, "group_id": 11, "target_id": 21}
CYCLES = 5
CYCLE = timedelta(days=30)
_BATCH = 0.02


def defined(cycles: int = CYCLES) -> DefinitionSet:
    """One group with one milestone, its cycles of thirty days each."""
    starts = [NEW_YEAR + number * CYCLE for number in range(cycles)]
    group = TargetGroup(
        group_id=11,
        name="Bench",
        version=1,
        active=True,
        time_zone="UTC",
        calendar=Calendar.from_periods(
            (f"c{number}", start, start + CYCLE) for number, start in enumerate(starts, start=1)
        ),
        targets={21: Target(target_id=21, name="ABC", kind=TargetKind.MILESTONE)},
    )
    return DefinitionSet(groups={11: group}, owners={21: 11})


def enrolled(day: int = 0) -> Event:
    """In from that day on."""
    at = NEW_YEAR + timedelta(days=day)
    return CustomerEnrolled(key=EventId(f"in-{day}", "/bench"), enrolled_at=at, **ACCOUNT)


def left(day: int, name: str = "leave") -> Event:
    """Out on that day."""
    at = NEW_YEAR + timedelta(days=day)
    return UnenrollRequested(key=EventId(name, "/bench"), time=at, effective_at=at, reason="bench", **ACCOUNT)


def earned(number: int) -> Event:
    """Rewards in one cycle after the other, every other one paid at the end of it."""
    cycle = number % CYCLES
    return RewardEarned(
        key=EventId(f"earned-{number}", "/bench"),
        reward_id=f"R{number}",
        period_name=f"c{cycle + 1}",
        allocation=RewardAllocation.IMMEDIATE if number % 2 else RewardAllocation.PERIOD_END,
        achieved_at=NEW_YEAR + cycle * CYCLE + timedelta(days=10),
        **ACCOUNT,
    )


def known(definitions: DefinitionSet, *, rewards: int = 0, leaves: int = 0) -> AccountState:
    """An account that enrolled, earned so much and asked so often to leave, each event decided."""
    asked = (left(75 + number, f"leave-{number}") for number in range(leaves))
    state = after(enrolled(), definitions, None)
    for event in (*map(earned, range(rewards)), *asked):
        state = after(event, definitions, state)
    return state


def after(event: Event, definitions: DefinitionSet, state: AccountState | None) -> AccountState:
    """The account once the event is decided."""
    decided = decide(event, definitions, state)
    if not isinstance(decided, Decision):
        raise SystemExit(f"{event} was not accepted: {decided}")
    return decided.state


def cases() -> Mapping[str, tuple[Event, DefinitionSet, AccountState]]:
    """An event, and the account that it comes to."""
    usual, long = defined(), defined(cycles=500)
    return {
        "a leave, 3 rewards": (left(75), usual, known(usual, rewards=3)),
        "a leave, 3 rewards, 500 cycles": (left(75), long, known(long, rewards=3)),
        "a leave, 50 rewards": (left(75), usual, known(usual, rewards=50)),
        "a leave, 200 rewards": (left(75), usual, known(usual, rewards=200)),
        "a leave, 3 rewards, 2000 leaves": (left(74), usual, known(usual, rewards=3, leaves=2000)),
        "a reward, 2 rewards": (earned(2), usual, known(usual, rewards=2)),
        "a reward, 50 rewards": (earned(50), usual, known(usual, rewards=50)),
        "a reward, 2 rewards, left": (earned(2), usual, known(usual, rewards=2, leaves=1)),
        "an enrollment, 3 rewards, left": (enrolled(80), usual, known(usual, rewards=3, leaves=1)),
    }


def microseconds(case: tuple[Event, DefinitionSet, AccountState], repeat: int) -> float:
    """The least that one call takes, of this process's own time: others may be at work beside it."""
    timer = Timer(lambda: decide(*case), timer=process_time)
    calls = max(1, round(_BATCH / min(timer.repeat(5, 10)) * 10))
    return min(timer.repeat(repeat, calls)) / calls * 1e6


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=50)
    chosen = parser.parse_args()
    for name, case in cases().items():
        print(f"{name:<34}{microseconds(case, chosen.repeat):>9.1f} µs")
