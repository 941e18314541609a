"""Answers of the calls: the documented envelope, with the codes of rules.md, section 4."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, Field

from unenroll.core.outcomes import EnrollmentOutcome, Outcome
from unenroll.core.sentences import ENROLLMENTS, OUTCOMES
from unenroll.wire.refusals import DeadLetter, Reason

_OK, _ACCEPTED, _FAILED = 200, 202, 500
_NOT_YET = "Not decided yet. Poll the URL in the Location header."

_CODES: Mapping[str, int | None] = {
    Reason.GROUP_NOT_FOUND: Outcome.GROUP_NOT_FOUND.code,
    Reason.TARGET_NOT_FOUND: Outcome.TARGET_NOT_FOUND.code,
    Reason.TARGET_NOT_IN_GROUP: Outcome.TARGET_NOT_IN_GROUP.code,
    Reason.PERIOD_NOT_FOUND: EnrollmentOutcome.NO_CYCLE_LEFT.code,
}
"""Codes of the rules for enrollments that became dead letters, by reason."""


class Problem(BaseModel):
    """An error or a warning. If the rules have no code for it, `code` is the HTTP status."""

    code: Annotated[int, Field(examples=[310019])]
    message: Annotated[str, Field(examples=[OUTCOMES[Outcome.NOTHING_LEFT]])]


class Envelope(BaseModel):
    """The body of an answer: `data` is the customer if the call succeeded, `errors` say why it did not."""

    data: Annotated[int | None, Field(description="The unique identifier of the customer.", examples=[423789336])]
    errors: Annotated[list[Problem] | None, Field(description="Errors during the API call, if any.")]
    warnings: Annotated[list[Problem] | None, Field(description="Warnings during the API call, if any.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Status, body and headers of an answer."""

    status: int
    envelope: Envelope
    headers: Mapping[str, str] = field(default_factory=dict)


def done(customer_id: int, *, warning: str | None = None) -> Answer:
    """The answer to a call that succeeded."""
    warnings = None if warning is None else [Problem(code=_OK, message=warning)]
    return Answer(status=_OK, envelope=Envelope(data=customer_id, errors=None, warnings=warnings))


def refused(message: str, *, code: int | None, status: int = _OK, headers: Mapping[str, str] | None = None) -> Answer:
    """The answer to a call that failed or was refused."""
    problem = Problem(code=status if code is None else code, message=message)
    return Answer(
        status=status, envelope=Envelope(data=None, errors=[problem], warnings=None), headers=dict(headers or {})
    )


def not_yet(request_id: str) -> Answer:
    """The answer while the event is published and not decided."""
    warning = Problem(code=_ACCEPTED, message=_NOT_YET)
    return Answer(
        status=_ACCEPTED,
        envelope=Envelope(data=None, errors=None, warnings=[warning]),
        headers={"Location": f"/requests/{request_id}", "Retry-After": "1"},
    )


def to_leave(customer_id: int, outcome: Outcome) -> Answer:
    """The answer to an unenroll call with this outcome. A customer who had left before is a success with a warning."""
    if outcome is Outcome.UNENROLLED:
        return done(customer_id)
    if outcome is Outcome.ALREADY_UNENROLLED:
        return done(customer_id, warning=OUTCOMES[outcome])
    return refused(OUTCOMES[outcome], code=outcome.code)


def to_enroll(customer_id: int, outcome: EnrollmentOutcome) -> Answer:
    """The answer to an enroll call with this outcome."""
    if outcome is EnrollmentOutcome.OPENED:
        return done(customer_id)
    return refused(ENROLLMENTS[outcome], code=outcome.code)


def to_dead_letter(dead: DeadLetter) -> Answer:
    """The answer to a call whose event became a dead letter."""
    code = _CODES.get(dead.reason)
    return refused(dead.detail, code=code, status=_FAILED if code is None else _OK)
