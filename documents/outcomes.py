"""The page of outcomes: every answer that there is, with its code and its sentence."""

from collections.abc import Iterator

from documents.tables import code, table
from unenroll.core.outcomes import EnrollmentOutcome, Outcome
from unenroll.core.reasons import Reason
from unenroll.core.sentences import ENROLLMENTS, OUTCOMES, RULES
from unenroll.core.standings import CANCELLING_RULES, RewardAction
from unenroll.ops.dlq.rules import RETRY_CONDITIONS

_NONE = "\N{EN DASH}"


def outcomes() -> Iterator[str]:
    """The lines of the page."""
    yield "# Outcomes\n"
    yield "## Of a request\n"
    yield "The first that applies, from the top. [rules.md](../rules.md), section 4, has the conditions.\n"
    rows = [[code(one), str(one.code or _NONE), _answer(one), OUTCOMES[one]] for one in Outcome]
    yield from table(["outcome", "code", "answer", "in words"], rows)
    yield "## Of an enrollment\n"
    yield "None of it is published; `unenroll explain` and the calls over HTTP tell it.\n"
    yield from table(
        ["outcome", "code", "in words"],
        [[code(one), str(one.code or _NONE), ENROLLMENTS[one]] for one in EnrollmentOutcome],
    )
    yield "## Of a reward\n"
    actions = " or ".join(code(one) for one in RewardAction)
    yield f"The rule that keeps or cancels it. A cancelled reward has the action {actions}.\n"
    yield from table(
        ["rule", "the reward", "in words"],
        [[code(rule), "is cancelled" if rule in CANCELLING_RULES else "is kept", text] for rule, text in RULES.items()],
    )
    yield "## Of a record that has no place\n"
    yield "It becomes a dead letter with this `dlq_reason`: [what to do](../operations.md#dead-letters).\n"
    yield from table(
        ["reason", "a retry succeeds"],
        [[code(one), RETRY_CONDITIONS.get(one, "never: edit or park it")] for one in Reason],
    )


def _answer(outcome: Outcome) -> str:
    return code("UserUnenrolled" if outcome is Outcome.UNENROLLED else "UnenrollRejected")
