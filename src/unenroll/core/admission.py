"""Checks of an event against the definitions, and of a planned request against its plan (rules.md section 4)."""

from typing import NamedTuple

from unenroll.core.definitions import DefinitionSet, Target, TargetGroup, TargetKind
from unenroll.core.events import CustomerEnrolled, RewardAllocation, RewardEarned, RewardIssued, UnenrollRequested
from unenroll.core.facts import Account, Enrollment, Issuance, Reward
from unenroll.core.outcomes import Outcome
from unenroll.core.reasons import Reason


def admit(request: UnenrollRequested, definitions: DefinitionSet) -> Outcome | None:
    """Return the first outcome above PLAN_STALE that applies, or None. No account is needed (rules.md section 4)."""
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


def check_plan(request: UnenrollRequested, account: Account, *, decisions: int) -> Outcome | None:
    """Return PLAN_STALE if the account has changed since the request was planned, or None (rules.md section 4).

    `decisions` is the number of decisions on the account so far. Comparing this number is not enough: an event that
    made the first request of a plan stale raises it as well, and the second request must not mistake that for the
    decision on the first request. So the account must also have the leave that the plan expects.
    """
    expected = request.expected
    if expected is None:
        return None
    if expected.decisions != decisions:
        return Outcome.PLAN_STALE
    if expected.after is None or expected.after in [leave.key for leave in account.leaves]:
        return None
    return Outcome.PLAN_STALE


class RefusedEvent(NamedTuple):
    """An event that becomes a dead letter because it does not fit the definitions or the account.

    `detail` is a sentence for people.
    """

    reason: Reason
    detail: str


UpstreamFact = Enrollment | Reward | Issuance


def to_fact(
    event: CustomerEnrolled | RewardEarned | RewardIssued, definitions: DefinitionSet
) -> UpstreamFact | RefusedEvent:
    """Return the fact that the event reports, or the first reason to refuse it (contract.md, "Dead letter headers").

    Inactive groups and targets still accept facts (rules.md section 4). A `RewardIssued` names no group, so only its
    target is checked.
    """
    if isinstance(event, RewardIssued):
        if event.target_id not in definitions.owners:
            return _target_not_found(event.target_id)
        return Issuance(reward_id=event.reward_id, issued_at=event.issued_at)
    group = _group_of(event, definitions)
    if isinstance(group, RefusedEvent):
        return group
    if isinstance(event, CustomerEnrolled):
        return _enrollment(event, group)
    return _reward(event, group, group.targets[event.target_id])


def reward_conflict(new: Reward, existing: Reward | None, *, customer_id: int) -> RefusedEvent | None:
    """Refuse a reward if the account already has its id with different content: the first arrival wins."""
    if existing is None or existing == new:
        return None
    detail = f"Customer {customer_id} already has reward {new.reward_id} with different content."
    return RefusedEvent(Reason.REWARD_CONFLICT, detail)


def _group_of(event: CustomerEnrolled | RewardEarned, definitions: DefinitionSet) -> TargetGroup | RefusedEvent:
    group = definitions.groups.get(event.group_id)
    if group is None:
        return RefusedEvent(Reason.GROUP_NOT_FOUND, f"Target group {event.group_id} is not defined.")
    owner = definitions.owner(event.target_id)
    if owner is None:
        return _target_not_found(event.target_id)
    if owner.group_id != group.group_id:
        detail = f"Target {event.target_id} belongs to target group {owner.group_id}, not to {group.group_id}."
        return RefusedEvent(Reason.TARGET_NOT_IN_GROUP, detail)
    return group


def _enrollment(event: CustomerEnrolled, group: TargetGroup) -> Enrollment | RefusedEvent:
    from_cycle = None
    if event.period_name is not None:
        cycle = group.calendar.cycle_named(event.period_name)
        if cycle is None:
            return _period_not_found(event.period_name, group)
        from_cycle = cycle.number
    return Enrollment(
        event.key,
        event.enrolled_at,
        from_cycle,
        event.initial_balance,
        event.reset_streak_status,
        event.origin,
    )


def _reward(event: RewardEarned, group: TargetGroup, target: Target) -> Reward | RefusedEvent:
    cycle = group.calendar.cycle_named(event.period_name)
    if cycle is None:
        return _period_not_found(event.period_name, group)
    refused = _check_streak_reward(event, target) if target.kind is TargetKind.STREAK else None
    if refused is not None:
        return refused
    return Reward(event.reward_id, cycle.number, event.allocation, event.achieved_at, event.level, event.value)


def _check_streak_reward(event: RewardEarned, streak: Target) -> RefusedEvent | None:
    """A streak has IMMEDIATE rewards only, each for one of its levels. On a milestone any level is valid."""
    reward = f"Reward {event.reward_id} of streak {streak.target_id}"
    if event.allocation is RewardAllocation.PERIOD_END:
        return RefusedEvent(
            Reason.PERIOD_END_ON_STREAK, f"{reward} is PERIOD_END; a streak has IMMEDIATE rewards only."
        )
    if event.level is None:
        return RefusedEvent(Reason.LEVEL_MISSING, f"{reward} has no level; a streak requires one.")
    if event.level not in streak.levels:
        levels = ", ".join(map(str, streak.levels))
        return RefusedEvent(Reason.LEVEL_NOT_FOUND, f"{reward} has level {event.level}; the levels are {levels}.")
    return None


def _target_not_found(target_id: int) -> RefusedEvent:
    return RefusedEvent(Reason.TARGET_NOT_FOUND, f"Target {target_id} is not defined.")


def _period_not_found(period_name: str, group: TargetGroup) -> RefusedEvent:
    detail = f"Target group {group.group_id} has no cycle {period_name}."
    return RefusedEvent(Reason.PERIOD_NOT_FOUND, detail)
