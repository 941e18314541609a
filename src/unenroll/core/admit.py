"""Requests held against the definitions: the answers that need no account (rules.md section 4)."""

from unenroll.core.definitions import Definitions
from unenroll.core.events import UnenrollRequested
from unenroll.core.outcomes import Outcome


def admit(request: UnenrollRequested, definitions: Definitions) -> Outcome | None:
    """The first outcome above NOT_ENROLLED that applies, or None: then the leave is kept as a fact."""
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
