"""Each outcome and each rule as a sentence that a support agent can read to a customer."""

from datetime import UTC

from unenroll.core.events import UnenrollRequested
from unenroll.core.outcomes import EnrollmentOutcome, Outcome
from unenroll.core.standings import Rule

OUTCOMES: dict[Outcome, str] = {
    Outcome.INVALID_CUSTOMER: "There is no customer with this number.",
    Outcome.GROUP_NOT_FOUND: "There is no such campaign, or it is not active.",
    Outcome.TARGET_NOT_FOUND: "There is no such target, or it is not active.",
    Outcome.TARGET_NOT_IN_GROUP: "The target belongs to another campaign.",
    Outcome.EFFECTIVE_IN_FUTURE: "The effective time is later than the time of the request.",
    Outcome.PLAN_STALE: "The account has changed since the plan was made, so the request was not carried out.",
    Outcome.NOT_ENROLLED: "The customer was not enrolled at that time, so there was nothing to leave.",
    Outcome.ALREADY_UNENROLLED: "The customer had already left by that time.",
    Outcome.NOTHING_LEFT: "The last cycle had ended by that time, so no cycle was left to leave.",
    Outcome.UNENROLLED: "The customer left.",
}

ENROLLMENTS: dict[EnrollmentOutcome, str] = {
    EnrollmentOutcome.ALREADY_ENROLLED: "The customer was already enrolled, so this enrollment changed nothing.",
    EnrollmentOutcome.LEAVING_IS_STICKY: "The customer had left; only an explicit enrollment enrolls them again.",
    EnrollmentOutcome.NO_CYCLE_LEFT: "The last cycle had ended by that time, so no cycle was left to take part in.",
    EnrollmentOutcome.OPENED: "The customer takes part from that time on.",
}

RULES: dict[Rule, str] = {
    Rule.NO_SPELL: "No enrollment covers the cycle of this reward, so no leave cancels it: the reward is kept.",
    Rule.ENROLLED: "The customer is enrolled: the reward is kept.",
    Rule.CYCLE_FINISHED: "The cycle had ended when the customer left: the reward is kept, even if it is not paid yet.",
    Rule.AFTER_UNENROLLMENT: "The customer achieved it after leaving: the reward is cancelled.",
    Rule.ACHIEVED_BEFORE_UNENROLLMENT: "It was achieved and due before the customer left: the reward is kept.",
    Rule.CARRIED_ON: "The customer came back, carried on and was enrolled when the cycle ended: the reward is kept.",
    Rule.PERIOD_END_LOST: "It was due at the end of the cycle, but the customer left earlier: the reward is cancelled.",
    Rule.ALREADY_ACHIEVED: "The customer carried on and had already earned the same before: the reward is cancelled.",
}


def rejection_detail(outcome: Outcome, request: UnenrollRequested) -> str:
    """Return why the request was rejected, and what it requested; the effective time is in UTC."""
    at = request.effective_at.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (
        f"{OUTCOMES[outcome]} Requested: customer {request.customer_id}, "
        f"target {request.target_id} of group {request.group_id}, effective {at}Z."
    )
