"""Requests held against the definitions and their plan: the answers that leave no fact (rules.md section 4)."""

from typing import NamedTuple

from unenroll.core.definitions import DefinitionSet, Target, TargetGroup, TargetKind
from unenroll.core.events import CustomerEnrolled, RewardAllocation, RewardEarned, RewardIssued, UnenrollRequested
from unenroll.core.facts import Account, Enrollment, Issuance, Reward
from unenroll.core.outcomes import Outcome


def admit(request: UnenrollRequested, definitions: DefinitionSet) -> Outcome | None:
    """The first outcome above PLAN_STALE that applies, or None. It needs no account."""
    if request.customer_id < 1:
        return Outcome.INVALID_CUSTOMER
    group = definitions.groups.get(request.group_id)
    if group is None or not group.active:
        return Outcome.GROUP_NOT_FOUND
    target = definitions.target(request.target_id)
    if target is None or not target.active:
        return Outcome.TARGET_NOT_FOUND
    if definitions.owners[request.target_id] != request.group_id:
        return Outcome.TARGET_NOT_IN_GROUP
    if request.effective_at > request.time:
        return Outcome.EFFECTIVE_IN_FUTURE
    return None


def as_planned(request: UnenrollRequested, account: Account, *, decisions: int) -> Outcome | None:
    """PLAN_STALE if the account, on which so many decisions were made, is not as the request's plan saw it; else None.

    The number alone would not do: of two requests of a plan, the second one must not take what made the first one
    stale for the first one's decision.
    """
    expected = request.expected
    if expected is None:
        return None
    if expected.decision != decisions:
        return Outcome.PLAN_STALE
    if expected.after is None or expected.after in [leave.key for leave in account.leaves]:
        return None
    return Outcome.PLAN_STALE


class Misplaced(NamedTuple):
    """An event that names what does not exist or cannot be. `reason` is a dead letter's, `detail` is for people."""

    reason: str
    detail: str


Placed = Enrollment | Reward | Issuance


def place(event: CustomerEnrolled | RewardEarned | RewardIssued, definitions: DefinitionSet) -> Placed | Misplaced:
    """The fact that the event tells, or the first reason why it has no place (contract.md, "Out").

    Inactive groups and targets still take facts (rules.md section 4). A `RewardIssued` names no group: its target's
    owner is meant.
    """
    if isinstance(event, RewardIssued):
        if event.target_id not in definitions.owners:
            return _no_target(event.target_id)
        return Issuance(reward_id=event.reward_id, issued_at=event.issued_at)
    group = _group(event, definitions)
    if isinstance(group, Misplaced):
        return group
    if isinstance(event, CustomerEnrolled):
        return _enrollment(event, group)
    return _reward(event, group, group.targets[event.target_id])


def contradiction(told: Reward, known: Reward | None, *, customer_id: int) -> Misplaced | None:
    """Why a reward has no place beside the one that is known by its id, if any: the first arrival wins."""
    if known is None or known == told:
        return None
    detail = f"Reward {told.reward_id} of customer {customer_id} is known with other content."
    return Misplaced(reason="reward_conflict", detail=detail)


def _group(event: CustomerEnrolled | RewardEarned, definitions: DefinitionSet) -> TargetGroup | Misplaced:
    group = definitions.groups.get(event.group_id)
    if group is None:
        return Misplaced(reason="group_not_found", detail=f"There is no target group {event.group_id}.")
    owner = definitions.owner(event.target_id)
    if owner is None:
        return _no_target(event.target_id)
    if owner.group_id != group.group_id:
        detail = f"Target {event.target_id} belongs to target group {owner.group_id}, not to {group.group_id}."
        return Misplaced(reason="target_not_in_group", detail=detail)
    return group


def _no_target(target_id: int) -> Misplaced:
    return Misplaced(reason="target_not_found", detail=f"There is no target {target_id}.")


def _no_cycle(period_name: str, group: TargetGroup) -> Misplaced:
    detail = f"Target group {group.group_id} has no cycle {period_name}."
    return Misplaced(reason="period_not_found", detail=detail)


def _enrollment(event: CustomerEnrolled, group: TargetGroup) -> Enrollment | Misplaced:
    from_cycle = None
    if event.period_name is not None:
        cycle = group.calendar.named(event.period_name)
        if cycle is None:
            return _no_cycle(event.period_name, group)
        from_cycle = cycle.number
    return Enrollment(
        event.key,
        event.enrolled_at,
        from_cycle,
        event.initial_balance,
        event.reset_streak_status,
        event.origin,
    )


def _reward(event: RewardEarned, group: TargetGroup, target: Target) -> Reward | Misplaced:
    cycle = group.calendar.named(event.period_name)
    if cycle is None:
        return _no_cycle(event.period_name, group)
    refused = _refused_by_streak(event, target) if target.kind is TargetKind.STREAK else None
    if refused is not None:
        return refused
    return Reward(event.reward_id, cycle.number, event.allocation, event.achieved_at, event.level, event.value)


def _refused_by_streak(event: RewardEarned, streak: Target) -> Misplaced | None:
    """Streaks pay on achievement only, and for one of their levels. The level of a milestone is free."""
    what = f"Reward {event.reward_id} of streak {streak.target_id}"
    if event.allocation is RewardAllocation.PERIOD_END:
        return Misplaced(reason="period_end_on_streak", detail=f"{what} is PERIOD_END; streaks have IMMEDIATE only.")
    if event.level is None:
        return Misplaced(reason="level_missing", detail=f"{what} names no level.")
    if event.level not in streak.levels:
        levels = ", ".join(map(str, streak.levels))
        return Misplaced(reason="level_not_found", detail=f"{what} is of level {event.level}; there are {levels}.")
    return None
