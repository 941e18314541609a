"""Accounts as chance makes them up: short calendars with gaps, where instants often meet at a boundary.

Chance comes in as bytes, a few for each fact, so that hypothesis and a seeded generator share all of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from unenroll.core.admission import RefusedEvent, to_fact
from unenroll.core.calendar import Calendar
from unenroll.core.definitions import DefinitionSet, EnrollmentMode, Target, TargetGroup, TargetKind
from unenroll.core.events import (
    CustomerEnrolled,
    EnrollmentOrigin,
    Event,
    EventId,
    RewardAllocation,
    RewardEarned,
    RewardIssued,
    UnenrollRequested,
)
from unenroll.core.facts import Account, Enrollment, Issuance, Leave, Reward

GROUP_ID = 7
TARGETS = [
    Target(
        target_id=1,
        name=f"{kind} {mode}",
        kind=kind,
        enrollment=mode,
        levels=(4, 8) if kind is TargetKind.STREAK else (),
    )
    for kind in TargetKind
    for mode in EnrollmentMode
]
_FIRST_START = 2
_KEYS = [EventId(identity, source) for identity in ("a", "b", "é", "B") for source in ("/s", "/t")]

PERIOD = (7, 3)
MOVE = (16, 24, 2, len(_KEYS), 20, 5, 6)
REWARD = (16, 24, 5, 2, 3, 4)
"""How many choices each byte of a cycle, of a move (an enrollment or a leave) and of a reward stands for."""


def tick(number: int, hours_from_utc: int = 0) -> datetime:
    """An instant so many microseconds after new year: neighbors have nothing between them."""
    instant = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=number)
    return instant.astimezone(timezone(timedelta(hours=hours_from_utc)))


def group_of(group_id: int, calendar: Calendar, *targets: Target) -> TargetGroup:
    """The group that owns these targets."""
    return TargetGroup(
        group_id=group_id,
        name=f"Group {group_id}",
        version=1,
        active=True,
        time_zone="UTC",
        calendar=calendar,
        targets={target.target_id: target for target in targets},
    )


@dataclass(frozen=True)
class AccountHistory:
    """A target, its calendar, and what happened to one customer in it."""

    target: Target
    calendar: Calendar
    events: Sequence[Event]
    customer_id: int = 1
    group_id: int = GROUP_ID

    @property
    def definitions(self) -> DefinitionSet:
        return self.known_up_to(len(self.calendar.cycles))

    def known_up_to(self, cycles: int) -> DefinitionSet:
        """The definitions as they were when only so many cycles were known."""
        known = group_of(self.group_id, Calendar(self.calendar.cycles[:cycles]), self.target)
        return DefinitionSet(groups={self.group_id: known}, owners={self.target.target_id: self.group_id})

    def account(self, events: Sequence[Event] | None = None) -> Account:
        """All the facts at once, in this order and each as often as it is there."""
        known_events = self.events if events is None else events
        definitions = self.definitions
        facts = [_fact(event, definitions) for event in known_events]
        paid = [event for event in known_events if isinstance(event, RewardEarned | RewardIssued)]
        return Account(
            customer_id=self.customer_id,
            target_id=self.target.target_id,
            enrollments=tuple(fact for fact in facts if isinstance(fact, Enrollment)),
            leaves=tuple(fact for fact in facts if isinstance(fact, Leave)),
            rewards=tuple(fact for fact in facts if isinstance(fact, Reward)),
            issuances={event.reward_id: event.issued_at for event in paid if event.issued_at is not None},
        )


def calendar_of(periods: Sequence[bytes]) -> Calendar:
    """Cycles c1, c2… of some microseconds, with and without gaps."""
    cycles = []
    start = _FIRST_START
    for number, period in enumerate(periods, start=1):
        length, gap = _digits(period, PERIOD)
        cycles.append((f"c{number}", tick(start), tick(start + length + 1)))
        start += length + 1 + gap
    return Calendar.from_periods(cycles)


def history_of(
    target: Target, calendar: Calendar, *, moves: Sequence[bytes], rewards: Sequence[bytes]
) -> AccountHistory:
    """What these bytes stand for, in the order of arrival that they stand for."""
    moved = [_move(drawn, calendar) for drawn in moves]
    arrivals: list[tuple[int, Event]] = list({event.key: (arrival, event) for arrival, event in moved}.values())
    for number, drawn in enumerate(rewards):
        arrivals.extend(_reward(drawn, number, target=target, calendar=calendar))
    arrivals.sort(key=lambda arrival: arrival[0])
    return AccountHistory(target=target, calendar=calendar, events=[event for _, event in arrivals])


def _fact(event: Event, definitions: DefinitionSet) -> Enrollment | Leave | Reward | Issuance:
    if isinstance(event, UnenrollRequested):
        return Leave(key=event.key, effective_at=event.effective_at)
    fact = to_fact(event, definitions)
    assert not isinstance(fact, RefusedEvent), fact
    return fact


def _digits(drawn: bytes, bases: Sequence[int]) -> list[int]:
    return [byte % base for byte, base in zip(drawn, bases, strict=True)]


def _instant(digit: int, calendar: Calendar, *, hours: int) -> datetime:
    """From just before the first cycle to just after the last."""
    last = (calendar.cycles[-1].end - tick(0)) // timedelta(microseconds=1)
    return tick(digit % (last + 2), hours)


def _move(drawn: bytes, calendar: Calendar) -> tuple[int, CustomerEnrolled | UnenrollRequested]:
    arrival, instant, goes, key, start, over, automatic = _digits(drawn, MOVE)
    if goes:
        return arrival, _going(_KEYS[key], _instant(instant, calendar, hours=-3))
    return arrival, CustomerEnrolled(
        key=_KEYS[key],
        customer_id=1,
        group_id=GROUP_ID,
        target_id=1,
        enrolled_at=_instant(instant, calendar, hours=5),
        period_name=f"c{start}" if 0 < start <= len(calendar.cycles) else None,
        initial_balance=Decimal(0) if over == 1 else None,
        reset_streak_status=over == 2,
        origin=EnrollmentOrigin.AUTOMATIC if automatic == 1 else EnrollmentOrigin.EXPLICIT,
    )


def _going(key: EventId, effective_at: datetime) -> UnenrollRequested:
    return UnenrollRequested(
        key=key,
        time=tick(10**9),
        customer_id=1,
        group_id=GROUP_ID,
        target_id=1,
        effective_at=effective_at,
    )


def _reward(
    drawn: bytes, number: int, *, target: Target, calendar: Calendar
) -> list[tuple[int, RewardEarned | RewardIssued]]:
    arrival, instant, cycle, level, at_the_end, paid = _digits(drawn, REWARD)
    streak = target.kind is TargetKind.STREAK
    earned = RewardEarned(
        key=EventId(f"earned {number}", "/s"),
        reward_id=f"R{number}",
        customer_id=1,
        group_id=GROUP_ID,
        target_id=1,
        period_name=f"c{cycle % len(calendar.cycles) + 1}",
        allocation=RewardAllocation.PERIOD_END if at_the_end and not streak else RewardAllocation.IMMEDIATE,
        achieved_at=_instant(instant, calendar, hours=0),
        level=(4, 8)[level] if streak else (None, 1)[level],
        issued_at=tick(99) if paid == 1 else None,
    )
    key = EventId(f"issued {number}", "/s")
    issued = RewardIssued(key=key, reward_id=f"R{number}", customer_id=1, target_id=1, issued_at=tick(99))
    return [(arrival, earned), ((arrival + 5) % 16, issued)] if paid == 2 else [(arrival, earned)]
