"""Stories of accounts that are in no database."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from unenroll.core.calendar import Calendar
from unenroll.core.decide import AccountState, resettle
from unenroll.core.definitions import Group, Kind, Target
from unenroll.core.events import Allocation, EventId
from unenroll.core.facts import Account, Enrollment, Leave, Reward
from unenroll.explain.story import Story, story
from unenroll.postgres.accounts import KnownAccount
from unenroll.postgres.history import Known

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def days(count: int) -> Calendar:
    """Cycles of one day each, d1 and so on, from the first day of 2026."""
    starts = [NEW_YEAR + timedelta(days=number) for number in range(count)]
    return Calendar.of((f"d{number}", start, start + timedelta(days=1)) for number, start in enumerate(starts, start=1))


def day(number: float) -> datetime:
    """When the day of this number begins, counted from 1; with a fraction, later that day."""
    return NEW_YEAR + timedelta(days=number - 1)


def enrolled(at: float) -> Enrollment:
    """An enrollment at this day."""
    return Enrollment(EventId(f"in {at}", "/crm"), day(at))


def left(at: float) -> Leave:
    """A leave at this day."""
    return Leave(EventId(f"out {at}", "/crm"), day(at))


def earned(reward_id: str, at: float, *, allocation: Allocation = Allocation.IMMEDIATE) -> Reward:
    """A reward of the cycle of this day."""
    return Reward(reward_id, int(at), allocation, day(at))


def told(calendar: Calendar, facts: Iterable[Enrollment | Leave], rewards: Sequence[Reward] = ()) -> Story:
    """The story of an account with these facts."""
    target = Target(target_id=21, name="Milestone ABC", kind=Kind.MILESTONE)
    account = Account(customer_id=7, target_id=21)
    for fact in (*facts, *rewards):
        account = account.knowing(fact)
    state = resettle(AccountState(account), target, calendar).state
    group = Group(
        group_id=11, name="Daily", version=1, active=True, time_zone="UTC", calendar=calendar, targets={21: target}
    )
    return story(Known(account=KnownAccount(state=state), group=group, seen={}), ())
