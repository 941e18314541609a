"""Descriptions and examples of each call for the OpenAPI document."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from unenroll.api.schemas import (
    ApiEnvelope,
    ApiResponse,
    EnrollRecord,
    UnenrollRecord,
    enroll_response,
    pending_response,
    refusal_response,
    success_response,
    unenroll_response,
)
from unenroll.core.outcomes import EnrollmentOutcome, Outcome

_JSON = "application/json"
_CUSTOMER = 423789336
_REQUEST = "5b0e1f0c-4f0d-4c43-9f3e-1f6f2d0a9c55"

Responses = dict[int | str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteDocumentation:
    """The description of a call. `extra` is copied into the document as it is."""

    method: str
    name: str
    summary: str
    description: str
    responses: Responses
    extra: dict[str, Any]


def _examples(answers: Mapping[str, ApiResponse]) -> dict[str, Any]:
    return {_JSON: {"examples": {name: {"value": one.envelope.model_dump()} for name, one in answers.items()}}}


def failures(statuses: Mapping[int, str]) -> Responses:
    """Refusals by status, each with a text that says when."""
    return {
        status: {
            "model": ApiEnvelope,
            "description": words,
            "content": {_JSON: {"example": refusal_response(words, code=None, status=status).envelope.model_dump()}},
        }
        for status, words in statuses.items()
    }


def _body(model: type[BaseModel], examples: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    items = model.model_json_schema(by_alias=True)
    schema = {"type": "array", "items": items, "minItems": 1, "maxItems": 1}
    told = {name: {"value": example} for name, example in examples.items()}
    return {"requestBody": {"required": True, "content": {_JSON: {"schema": schema, "examples": told}}}}


_LOCATED = {
    "Location": {"description": "the URL to poll for the outcome", "schema": {"type": "string"}},
    "Retry-After": {"description": "seconds to wait before polling", "schema": {"type": "string"}},
}
_WAITS: Responses = {
    202: {
        "model": ApiEnvelope,
        "description": "The event is published, and not decided yet.",
        "headers": _LOCATED,
        "content": _examples({"not yet": pending_response(_REQUEST)}),
    }
}
REFUSED = {
    401: "the credentials are missing or wrong",
    403: "the caller lacks the scope",
    408: "the body took too long to arrive",
    429: "this caller makes too many calls",
    500: "the call failed; retrying will not help",
    503: "Kafka or Postgres is unavailable; retry",
}
"""Refusals that any call can get."""

ERASED = "the customer was erased after the time of the call"

_REFUSED_BODY = {
    400: "the call is malformed",
    409: ERASED,
    413: "the body is too large",
    415: "the body is not JSON",
    422: "the Idempotency-Key was used for another call",
}

UNENROLL = RouteDocumentation(
    method="POST",
    name="un-enrol-users-into-a-milestonestreak",
    summary="Unenroll a customer from a milestone or streak",
    description="Publishes the request, and waits for the worker to decide what the leave does to cycles and rewards.",
    responses={
        200: {
            "description": "The worker has decided. If it refused the request, `errors` say why.",
            "content": _examples(
                {
                    "left": success_response(_CUSTOMER),
                    "had left before": unenroll_response(_CUSTOMER, Outcome.ALREADY_UNENROLLED),
                    "no cycle is left": unenroll_response(_CUSTOMER, Outcome.NOTHING_LEFT),
                    "no such customer": unenroll_response(_CUSTOMER, Outcome.INVALID_CUSTOMER),
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

ENROLL = RouteDocumentation(
    method="POST",
    name="enrol-users-into-a-milestonestreak",
    summary="Enroll a customer in a milestone or streak, for the first time or again",
    description="A customer who returns continues, unless `initialBalance` or `resetStreakStatus` restarts the target.",
    responses={
        200: {
            "description": "The worker has decided. If it refused the request, `errors` say why.",
            "content": _examples(
                {
                    "enrolled": success_response(_CUSTOMER),
                    "was enrolled already": enroll_response(_CUSTOMER, EnrollmentOutcome.ALREADY_ENROLLED),
                    "no cycle is left": enroll_response(_CUSTOMER, EnrollmentOutcome.NO_CYCLE_LEFT),
                }
            ),
        },
        **_WAITS,
        **failures(REFUSED | _REFUSED_BODY),
    },
    extra=_body(
        EnrollRecord,
        {
            "now": [{"customerId": _CUSTOMER}],
            "restart a milestone": [{"customerId": _CUSTOMER, "periodName": "c4", "initialBalance": 0}],
            "restart a streak": [{"customerId": _CUSTOMER, "resetStreakStatus": True}],
        },
    ),
)

OUTCOME = RouteDocumentation(
    method="GET",
    name="outcome-of-a-request",
    summary="Outcome of a call",
    description="The answer that the call would get now. Only the caller who made it can read it.",
    responses={
        200: {"description": "The worker has decided.", "content": _examples({"left": success_response(_CUSTOMER)})},
        **_WAITS,
        **failures({400: "the id is not a UUID", 404: "this caller has made no such request", 409: ERASED, **REFUSED}),
    },
    extra={},
)
