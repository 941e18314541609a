"""What the OpenAPI document says of each call, with examples."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from unenroll.core.outcomes import EnrollmentOutcome, Outcome
from unenroll.front.answers import Answer, Envelope, done, not_yet, refused, to_enroll, to_leave
from unenroll.front.bodies import EnrollRecord, UnenrollRecord

_JSON = "application/json"
_CUSTOMER = 423789336
_REQUEST = "5b0e1f0c-4f0d-4c43-9f3e-1f6f2d0a9c55"

Responses = dict[int | str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Documented:
    """A call in words. `extra` is what goes into the document as it stands."""

    method: str
    name: str
    summary: str
    description: str
    responses: Responses
    extra: dict[str, Any]


def _examples(answers: Mapping[str, Answer]) -> dict[str, Any]:
    return {_JSON: {"examples": {name: {"value": one.envelope.model_dump()} for name, one in answers.items()}}}


def failures(statuses: Mapping[int, str]) -> Responses:
    """The refusals with these statuses, each with words that say when."""
    return {
        status: {
            "model": Envelope,
            "description": words,
            "content": {_JSON: {"example": refused(words, code=None, status=status).envelope.model_dump()}},
        }
        for status, words in statuses.items()
    }


def _body(model: type[BaseModel], examples: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    items = model.model_json_schema(by_alias=True)
    schema = {"type": "array", "items": items, "minItems": 1, "maxItems": 1}
    told = {name: {"value": example} for name, example in examples.items()}
    return {"requestBody": {"required": True, "content": {_JSON: {"schema": schema, "examples": told}}}}


_LOCATED = {
    "Location": {"description": "where the outcome can be read", "schema": {"type": "string"}},
    "Retry-After": {"description": "seconds until it is worth asking", "schema": {"type": "string"}},
}
_WAITS: Responses = {
    202: {
        "model": Envelope,
        "description": "It is published, and not decided yet.",
        "headers": _LOCATED,
        "content": _examples({"not yet": not_yet(_REQUEST)}),
    }
}
REFUSED = {
    401: "nobody knows who calls",
    403: "the caller may not do that",
    408: "the body took too long",
    429: "too many calls of this caller",
    500: "it failed, and trying again will not help",
    503: "a server is away, try again",
}
"""What any call may be refused with."""

ERASED = "the customer was erased after what the call tells of"

_REFUSED_BODY = {
    400: "the call is not understood",
    409: ERASED,
    413: "the body is too large",
    415: "the body is not JSON",
    422: "the Idempotency-Key was used for another call",
}

UNENROLL = Documented(
    method="POST",
    name="un-enrol-users-into-a-milestonestreak",
    summary="Unenroll a customer from a milestone or streak",
    description="The worker decides what the leave does to the customer's cycles and rewards; the call waits for it.",
    responses={
        200: {
            "description": "It is decided. `errors` say why it was refused, if it was.",
            "content": _examples(
                {
                    "left": done(_CUSTOMER),
                    "had left before": to_leave(_CUSTOMER, Outcome.ALREADY_UNENROLLED),
                    "no cycle is left": to_leave(_CUSTOMER, Outcome.NOTHING_LEFT),
                    "no such customer": to_leave(_CUSTOMER, Outcome.INVALID_CUSTOMER),
                }
            ),
        },
        **_WAITS,
        **failures(REFUSED | _REFUSED_BODY),
    },
    extra=_body(
        UnenrollRecord,
        {
            "now": [{"customerId": _CUSTOMER}],
            "at another time": [{"customerId": _CUSTOMER, "effectiveAt": "2026-03-15T09:30:00+05:30"}],
        },
    ),
)

ENROLL = Documented(
    method="POST",
    name="enrol-users-into-a-milestonestreak",
    summary="Enroll a customer in a milestone or streak, again or for the first time",
    description="Coming back carries on, unless `initialBalance` (milestones) or `resetStreakStatus` starts over.",
    responses={
        200: {
            "description": "It is decided. `errors` say why it was refused, if it was.",
            "content": _examples(
                {
                    "takes part": done(_CUSTOMER),
                    "took part already": to_enroll(_CUSTOMER, EnrollmentOutcome.ALREADY_ENROLLED),
                    "no cycle is left": to_enroll(_CUSTOMER, EnrollmentOutcome.NO_CYCLE_LEFT),
                }
            ),
        },
        **_WAITS,
        **failures(REFUSED | _REFUSED_BODY),
    },
    extra=_body(
        EnrollRecord,
        {
            "from now on": [{"customerId": _CUSTOMER}],
            "a milestone over again": [{"customerId": _CUSTOMER, "periodName": "c4", "initialBalance": 0}],
            "a streak over again": [{"customerId": _CUSTOMER, "resetStreakStatus": True}],
        },
    ),
)

OUTCOME = Documented(
    method="GET",
    name="outcome-of-a-request",
    summary="What became of a call",
    description="The answer that the call would get now. Only who made the call may ask.",
    responses={
        200: {"description": "It is decided.", "content": _examples({"left": done(_CUSTOMER)})},
        **_WAITS,
        **failures({400: "the id is no UUID", 404: "there is no such request of this caller", 409: ERASED, **REFUSED}),
    },
    extra={},
)
