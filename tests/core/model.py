"""A second implementation of rules.md sections 1 to 3, literal and slow. Tests compare `settle` with it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from unenroll.core.calendar import Calendar, Cycle
from unenroll.core.definitions import EnrollmentMode, Target, TargetKind
from unenroll.core.events import EnrollmentOrigin, EventId, RewardAllocation
from unenroll.core.facts import Account, Enrollment, Leave, Reward


@dataclass
class Stay:
    opened: datetime | None
    first_cycle: int
    by: EventId | None
    run: int
    closed: datetime | None = None
    leave: EventId | None = None
    falls_from: int | None = None


class Verdict(NamedTuple):
    """The standing of a reward: rule, action, index of its stay, and the leave that governs it."""

    rule: str
    action: str | None
    stay: int | None
    leave: EventId | None


@dataclass
class Answer:
    stays: list[Stay] = field(default_factory=list)
    leaves: dict[EventId, tuple[str, int | None, EventId | None]] = field(default_factory=dict)
    enrollments: dict[EventId, str] = field(default_factory=dict)
    rewards: dict[str, Verdict] = field(default_factory=dict)


def first_that_falls(calendar: Calendar, u: datetime) -> int | None:
    for cycle in calendar.cycles:  # 1. inside a cycle
        if cycle.start <= u < cycle.end:
            return cycle.number
    for cycle in calendar.cycles:  # 2. before the first, 3. in a gap
        if u < cycle.start:
            return cycle.number
    return None  # 4. at or after the end of the last


def answer(account: Account, target: Target, calendar: Calendar) -> Answer:
    found = Answer()
    if target.enrollment is EnrollmentMode.AUTOMATIC:
        found.stays.append(Stay(opened=None, first_cycle=1, by=None, run=1))
    for fact in _in_order(account):
        if isinstance(fact, Leave):
            _leave(fact, found, calendar)
        else:
            _enroll(fact, found, target, calendar)
    for reward in account.rewards:
        found.rewards[reward.reward_id] = _verdict(reward, account, found.stays, calendar)
    _cancel_repeats(account, target, found)
    return found


def _in_order(account: Account) -> list[Enrollment | Leave]:
    """Sort by selection; each fact counts once."""
    facts: list[Enrollment | Leave] = [*account.enrollments, *account.leaves]
    left: list[Enrollment | Leave] = []
    for fact in facts:
        if fact not in left:
            left.append(fact)
    ordered = []
    while left:
        earliest = left[0]
        for fact in left:
            if _comes_before(fact, earliest):
                earliest = fact
        ordered.append(earliest)
        left.remove(earliest)
    return ordered


def _time(fact: Enrollment | Leave) -> datetime:
    return fact.effective_at if isinstance(fact, Leave) else fact.enrolled_at


def _comes_before(one: Enrollment | Leave, other: Enrollment | Leave) -> bool:
    if _time(one) != _time(other):
        return _time(one) < _time(other)
    if isinstance(one, Leave) != isinstance(other, Leave):
        return isinstance(one, Leave)
    if one.key.id != other.key.id:
        return one.key.id < other.key.id
    return one.key.source < other.key.source


def _last_leave(stays: list[Stay]) -> EventId | None:
    last = None
    for stay in stays:
        if stay.leave is not None:
            last = stay.leave
    return last


def _is_in(stays: list[Stay]) -> bool:
    return any(stay.closed is None for stay in stays)


def _leave(leave: Leave, found: Answer, calendar: Calendar) -> None:
    if not _is_in(found.stays):
        ended_by = _last_leave(found.stays)
        found.leaves[leave.key] = ("NOT_ENROLLED" if ended_by is None else "ALREADY_UNENROLLED", None, ended_by)
        return
    falls = first_that_falls(calendar, leave.effective_at)
    if falls is None:
        found.leaves[leave.key] = ("NOTHING_LEFT", None, None)
        return
    stay = found.stays[-1]
    falls = max(falls, stay.first_cycle)
    stay.closed, stay.leave, stay.falls_from = leave.effective_at, leave.key, falls
    found.leaves[leave.key] = ("UNENROLLED", falls, None)


def _enroll(enrollment: Enrollment, found: Answer, target: Target, calendar: Calendar) -> None:
    if _is_in(found.stays):
        found.enrollments[enrollment.key] = "ALREADY_ENROLLED"
        return
    if _last_leave(found.stays) is not None and enrollment.origin is EnrollmentOrigin.AUTOMATIC:
        found.enrollments[enrollment.key] = "LEAVING_IS_STICKY"
        return
    first = enrollment.from_cycle
    if first is None:
        first = first_that_falls(calendar, enrollment.enrolled_at)
    if first is None:
        found.enrollments[enrollment.key] = "NO_CYCLE_LEFT"
        return
    run = 1
    if found.stays:
        run = found.stays[-1].run
        if target.kind is TargetKind.STREAK and enrollment.reset_streak_status:
            run += 1
        if target.kind is TargetKind.MILESTONE and enrollment.initial_balance is not None:
            run += 1
    found.stays.append(Stay(opened=enrollment.enrolled_at, first_cycle=first, by=enrollment.key, run=run))
    found.enrollments[enrollment.key] = "OPENED"


def _verdict(reward: Reward, account: Account, stays: list[Stay], calendar: Calendar) -> Verdict:
    cycle = calendar.cycles[reward.cycle - 1]
    moved = _moved_into(cycle, reward.achieved_at)
    index = _stay_of(reward, moved, stays)
    if index is None:
        return Verdict("NO_SPELL", None, None, None)
    stay = stays[index]
    u = stay.closed
    table = [
        (u is None, "ENROLLED"),
        (u is not None and cycle.end <= u, "CYCLE_FINISHED"),
        (u is not None and moved >= u, "AFTER_UNENROLLMENT"),
        (reward.allocation is RewardAllocation.IMMEDIATE, "ACHIEVED_BEFORE_UNENROLLMENT"),
        (_in_again(stay, stays[index + 1 :], cycle), "CARRIED_ON"),
        (True, "PERIOD_END_LOST"),
    ]
    rule = next(rule for matches, rule in table if matches)
    cancelled = rule in {"AFTER_UNENROLLMENT", "PERIOD_END_LOST"}
    return Verdict(rule, _action(reward, account) if cancelled else None, index, stay.leave)


def _moved_into(cycle: Cycle, achieved_at: datetime) -> datetime:
    if achieved_at < cycle.start:
        return cycle.start
    if achieved_at >= cycle.end:
        return cycle.end - timedelta(microseconds=1)
    return achieved_at


def _in_again(stay: Stay, later_stays: list[Stay], cycle: Cycle) -> bool:
    for later in later_stays:
        assert later.opened is not None
        of_the_run = later.run == stay.run
        opened_before_the_end = later.opened < cycle.end
        from_there = later.first_cycle <= cycle.number
        until_the_end = later.closed is None or later.closed >= cycle.end
        if of_the_run and opened_before_the_end and from_there and until_the_end:
            return True
    return False


def _stay_of(reward: Reward, moved: datetime, stays: list[Stay]) -> int | None:
    possible = [index for index, stay in enumerate(stays) if stay.first_cycle <= reward.cycle]
    by_then = []
    for index in possible:
        opened = stays[index].opened
        if opened is None or opened <= moved:
            by_then.append(index)
    if by_then:
        return by_then[-1]
    return possible[0] if possible else None


def _action(reward: Reward, account: Account) -> str:
    if reward.allocation is RewardAllocation.PERIOD_END and reward.reward_id not in account.issuances:
        return "VOID"
    return "REVERSE"


def _cancel_repeats(account: Account, target: Target, found: Answer) -> None:
    """Go from stay to stay. `kept` has the rewards that earlier stays kept, with their stays."""
    kept: list[tuple[Reward, int]] = []
    for index, stay in enumerate(found.stays):
        kept_here = []
        for reward in account.rewards:
            verdict = found.rewards[reward.reward_id]
            if verdict.stay != index or verdict.action is not None:
                continue
            repeated = [
                earlier
                for other, earlier in kept
                if found.stays[earlier].run == stay.run and _repeats(reward, other, target)
            ]
            if repeated:
                first = found.stays[repeated[0]].leave
                found.rewards[reward.reward_id] = Verdict("ALREADY_ACHIEVED", _action(reward, account), index, first)
            else:
                kept_here.append((reward, index))
        kept.extend(kept_here)


def _repeats(one: Reward, other: Reward, target: Target) -> bool:
    same = one.level == other.level and one.allocation == other.allocation
    return same and (target.kind is TargetKind.STREAK or one.cycle == other.cycle)
