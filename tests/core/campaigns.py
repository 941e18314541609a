"""The campaigns of the worked examples (rules.md section 6), and short functions that make events about a customer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count

from unenroll.core.calendar import Calendar
from unenroll.core.changes import Change
from unenroll.core.decide import AccountState, Decision, Rejection, decide
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
from unenroll.core.settle import Settlement

CUSTOMER = 423789336
IMMEDIATE = RewardAllocation.IMMEDIATE
PERIOD_END = RewardAllocation.PERIOD_END

_NUMBER = count(1)


def at(text: str) -> datetime:
    """Return the instant of a text like `15 Mar`, `15 Mar 00:01` or `28 Feb 23:59:59.999`, of 2026 in UTC."""
    day, month, *clock = text.split()
    midnight = datetime.strptime(f"{day} {month} 2026 +0000", "%d %b %Y %z")
    hours, minutes, seconds = (*(clock or ["0:0"])[0].split(":"), "0")[:3]
    return midnight + timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))


def _days(count_of_days: int) -> Calendar:
    first = date(2026, 1, 1)
    midnights = [
        datetime.combine(first + timedelta(days=day), datetime.min.time(), UTC) for day in range(count_of_days + 1)
    ]
    return Calendar.from_periods((f"d{n}", midnights[n - 1], midnights[n]) for n in range(1, count_of_days + 1))


MONTHS = Calendar.from_periods(
    (f"c{number}", at(f"1 {month}"), at(f"1 {following}"))
    for number, (month, following) in enumerate(
        [("Jan", "Feb"), ("Feb", "Mar"), ("Mar", "Apr"), ("Apr", "May"), ("May", "Jun")], start=1
    )
)
DAYS = _days(30)

ABC = Target(target_id=21, name="ABC", kind=TargetKind.MILESTONE)
XYZ = Target(target_id=22, name="XYZ", kind=TargetKind.STREAK, levels=(4, 8, 12))
EVERYBODY = Target(target_id=23, name="Everybody", kind=TargetKind.MILESTONE, enrollment=EnrollmentMode.AUTOMATIC)


def group(group_id: int, calendar: Calendar, *targets: Target, version: int = 1, active: bool = True) -> TargetGroup:
    return TargetGroup(
        group_id=group_id,
        name=f"Group {group_id}",
        version=version,
        active=active,
        time_zone="UTC",
        calendar=calendar,
        targets={target.target_id: target for target in targets},
    )


def defined(*groups: TargetGroup) -> DefinitionSet:
    owners: dict[int, int] = {}
    for one in groups:
        for target_id in one.targets:
            owners.setdefault(target_id, one.group_id)
    return DefinitionSet(groups={one.group_id: one for one in groups}, owners=owners)


DEFINITIONS = defined(group(11, MONTHS, ABC, EVERYBODY), group(12, DAYS, XYZ))


def key(name: str | None = None, source: str = "/tests") -> EventId:
    return EventId(name or f"e-{next(_NUMBER):06}", source)


def _group_of(target: Target) -> int:
    return DEFINITIONS.owners[target.target_id]


def enrolled(
    when: str,
    from_: str | None = None,
    *,
    target: Target = ABC,
    balance: int | None = None,
    reset: bool = False,
    origin: EnrollmentOrigin = EnrollmentOrigin.EXPLICIT,
    name: str | None = None,
) -> CustomerEnrolled:
    return CustomerEnrolled(
        key=key(name),
        customer_id=CUSTOMER,
        group_id=_group_of(target),
        target_id=target.target_id,
        enrolled_at=at(when),
        period_name=from_,
        initial_balance=None if balance is None else Decimal(balance),
        reset_streak_status=reset,
        origin=origin,
    )


def leave(
    effective: str, *, target: Target = ABC, name: str | None = None, source: str = "/tests"
) -> UnenrollRequested:
    return UnenrollRequested(
        key=key(name or f"leave {effective}", source),
        time=at("31 Dec"),
        customer_id=CUSTOMER,
        group_id=_group_of(target),
        target_id=target.target_id,
        effective_at=at(effective),
        reason="customer asked",
        requested_by="agent 7",
    )


def reward(
    reward_id: str,
    cycle: str,
    allocation: RewardAllocation,
    achieved: str,
    *,
    target: Target = ABC,
    level: int | None = None,
    issued: str | None = None,
) -> RewardEarned:
    return RewardEarned(
        key=key(),
        reward_id=reward_id,
        customer_id=CUSTOMER,
        group_id=_group_of(target),
        target_id=target.target_id,
        period_name=cycle,
        allocation=allocation,
        achieved_at=at(achieved),
        level=level,
        issued_at=None if issued is None else at(issued),
    )


def issued(reward_id: str, when: str, *, target: Target = ABC) -> RewardIssued:
    return RewardIssued(
        key=key(), reward_id=reward_id, customer_id=CUSTOMER, target_id=target.target_id, issued_at=at(when)
    )


@dataclass
class Scenario:
    """One account, its events in order of arrival, and everything that was published about it."""

    definitions: DefinitionSet = DEFINITIONS
    state: AccountState | None = None
    last: Settlement | None = None
    published: list[Change | Rejection] = field(default_factory=list)

    def apply_all(self, events: Sequence[Event]) -> Decision:
        """Apply the events and return the last decision. No event may be refused."""
        decided = [self.apply(event) for event in events]
        return decided[-1]

    def apply(self, event: Event) -> Decision:
        decided = decide(event, self.definitions, self.state, last=self.last)
        assert isinstance(decided, Decision), decided
        self.state, self.last = decided.state, decided.settlement
        self.published.extend(decided.changes)
        return decided
