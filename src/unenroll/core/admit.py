"""Requests held against the definitions and their plan: the answers that leave no fact (rules.md section 4)."""

from unenroll.core.definitions import Definitions
from unenroll.core.events import UnenrollRequested
from unenroll.core.facts import Account
from unenroll.core.outcomes import Outcome


def admit(request: UnenrollRequested, definitions: Definitions) -> Outcome | None:
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
