"""The decisions in words that a support agent can read to a customer."""

from datetime import UTC

from unenroll.core.events import UnenrollRequested
from unenroll.core.outcomes import EnrollmentOutcome, Outcome
from unenroll.core.standings import Rule

OUTCOMES: dict[Outcome, str] = {
    Outcome.INVALID_CUSTOMER: "There is no customer with this number.",
    Outcome.GROUP_NOT_FOUND: "There is no such campaign, or it is not active.",
    Outcome.TARGET_NOT_FOUND: "There is no such target, or it is not active.",
    Outcome.TARGET_NOT_IN_GROUP: "The target belongs to another campaign.",
    Outcome.EFFECTIVE_IN_FUTURE: "The leave was to take effect later than it was asked for.",
    Outcome.PLAN_STALE: "Something was decided on the account since this was planned, so it was left as it is.",
    Outcome.NOT_ENROLLED: "The customer was not enrolled at that time, so there was nothing to leave.",
    Outcome.ALREADY_UNENROLLED: "The customer had already left by that time.",
    Outcome.NOTHING_LEFT: "The last cycle was over by that time, so no cycle was left to leave.",
    Outcome.UNENROLLED: "The customer left.",
}

ENROLLMENTS: dict[EnrollmentOutcome, str] = {
    EnrollmentOutcome.ALREADY_ENROLLED: "The customer was enrolled already, so this changed nothing.",
    EnrollmentOutcome.LEAVING_IS_STICKY: "The customer had left, and only an explicit enrollment brings them back.",
    EnrollmentOutcome.NO_CYCLE_LEFT: "The last cycle was over by that time, so there was none to take part in.",
    EnrollmentOutcome.OPENED: "The customer takes part from then on.",
}

RULES: dict[Rule, str] = {
    Rule.NO_SPELL: "No enrollment covers its cycle, so no leave is to blame: it stands.",
    Rule.ENROLLED: "The customer is enrolled: it stands.",
    Rule.CYCLE_FINISHED: "Its cycle was over when the customer left: it stands, even if not paid yet.",
    Rule.AFTER_UNENROLLMENT: "It was achieved when the customer had left: it is cancelled.",
    Rule.ACHIEVED_BEFORE_UNENROLLMENT: "It was achieved and due before the customer left: it stands.",
    Rule.CARRIED_ON: "The customer came back, carried on and was in when its cycle ended: it stands.",
    Rule.PERIOD_END_LOST: "It was due at the end of its cycle, and the customer left before that: it is cancelled.",
    Rule.ALREADY_ACHIEVED: "The customer carried on from an earlier stay that had earned the same: it is cancelled.",
}


def rejection(outcome: Outcome, request: UnenrollRequested) -> str:
    """Why the request was rejected, and what it asked for, its effective time in UTC."""
    at = request.effective_at.astimezone(UTC).replace(tzinfo=None).isoformat()
    asked = f"customer {request.customer_id}, target {request.target_id} of group {request.group_id}, effective {at}Z"
    return f"{OUTCOMES[outcome]} Asked for: {asked}."
