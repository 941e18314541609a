"""The body and the headers of a call: a list of one record, and an Idempotency-Key."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from unenroll.api.errors import HttpRefusal
from unenroll.core.outcomes import EnrollmentOutcome, Outcome
from unenroll.core.reasons import Reason
from unenroll.core.sentences import ENROLLMENTS, OUTCOMES
from unenroll.wire.fields import (
    LARGEST_INT64,
    SMALLEST_INT64,
    Fields,
    Instant,
    Int64,
    Name,
    Number,
    Remark,
    instant_text,
)
from unenroll.wire.jsontext import parse
from unenroll.wire.reasons import DeadLetter, from_validation_error

KEY = "^[!-~]{1,255}$"
"""The pattern of an Idempotency-Key, quotes included."""

_WHOLE = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_KEY = re.compile(KEY, re.ASCII)
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])+)"', re.ASCII)


def _whole(value: object) -> object:
    if isinstance(value, str) and _WHOLE.fullmatch(value) is None:
        raise PydanticCustomError("int_type", "must be an integer of 64 bits")
    return value


PathId = Annotated[int, BeforeValidator(_whole), Field(ge=SMALLEST_INT64, le=LARGEST_INT64)]
"""An id in a path: ASCII digits only. Python's int() would also take spaces, underscores and a plus."""

_Balance = Annotated[Number, WithJsonSchema({"type": "number"})]


class UnenrollRecord(Fields):
    """The record of an unenroll call."""

    customer_id: Annotated[Int64, Field(description="the customer", examples=[423789336])]
    effective_at: Annotated[
        Instant | None,
        Field(description="when the leave takes effect; default: now; needs the scope unenroll:backdate"),
    ] = None
    reason: Annotated[Remark | None, Field(description="copied to the published answer")] = None
    requested_by: Annotated[Remark | None, Field(description="copied to the published answer")] = None

    def data(self, *, now: datetime) -> dict[str, object]:
        """The fields of the event's `data` that come from the record."""
        del now  # an event without `effectiveAt` takes effect at its `time`
        effective = None if self.effective_at is None else instant_text(self.effective_at)
        return {"effectiveAt": effective, "reason": self.reason, "requestedBy": self.requested_by}


class EnrollRecord(Fields):
    """The record of an enroll call."""

    customer_id: Annotated[Int64, Field(description="the customer", examples=[423789336])]
    period_name: Annotated[
        Name | None, Field(description="the cycle to start from; default: the cycle at `effectiveAt`, or the next")
    ] = None
    initial_balance: Annotated[
        _Balance | None, Field(description="a number restarts a milestone at this balance; default: it continues")
    ] = None
    reset_streak_status: Annotated[bool | None, Field(description="true restarts a streak; default: it continues")] = (
        None
    )
    effective_at: Annotated[
        Instant | None, Field(description="when the customer enrolled; default: now; needs the scope unenroll:backdate")
    ] = None

    def data(self, *, now: datetime) -> dict[str, object]:
        """The fields of the event's `data` that come from the record. Raises Refused for an impossible customer id."""
        if self.customer_id < 1:  # the worker would make it a dead letter
            outcome = Outcome.INVALID_CUSTOMER
            raise HttpRefusal(HTTPStatus.OK, OUTCOMES[outcome], code=outcome.code)
        return {
            "enrolledAt": instant_text(self.effective_at or now),
            "periodName": self.period_name,
            "initialBalance": self.initial_balance,
            "resetStreakStatus": self.reset_streak_status,
        }


Model = TypeVar("Model", bound=Fields)
CallRecord = UnenrollRecord | EnrollRecord


def read_body(model: type[Model], body: bytes, *, content_type: str | None) -> tuple[Model, object]:
    """The only record of a body, and the parsed body. Raises Refused for any other body."""
    if not _is_json(content_type):
        raise HttpRefusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content-type: must be application/json")
    document = parse(body)
    if isinstance(document, DeadLetter):
        raise HttpRefusal(HTTPStatus.BAD_REQUEST, f"body: {document.detail.removeprefix('value: ')}")
    if not isinstance(document, list) or len(document) != 1:
        raise HttpRefusal(
            HTTPStatus.BAD_REQUEST, "body: must be a list of one record; publish many records to the topic"
        )
    try:
        return model.model_validate(document[0]), document
    except ValidationError as error:
        raise HttpRefusal(HTTPStatus.BAD_REQUEST, from_validation_error(error, "[0].").detail) from None


def fingerprint(*what: object) -> bytes:
    """SHA-256 of JSON values. White space and the order of fields do not change it."""
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).digest()


def idempotency_key(values: list[str]) -> str | None:
    """The key in these headers, without quotes. Raises Refused for several or malformed ones."""
    if not values:
        return None
    text = values[0].strip()
    if len(values) > 1 or _KEY.fullmatch(text) is None:
        raise HttpRefusal(
            HTTPStatus.BAD_REQUEST,
            "Idempotency-Key: must be one text of 1 to 255 printable ASCII characters, without spaces",
        )
    quoted = _QUOTED.fullmatch(text)
    return text if quoted is None else re.sub(r'\\(["\\])', r"\1", quoted[1])


def _is_json(content_type: str | None) -> bool:
    """Whether it is JSON, or missing. A page of another site can make its visitor's browser send form data or text."""
    media = (content_type or "application/json").partition(";")[0].strip().lower()
    return media == "application/json" or (media.startswith("application/") and media.endswith("+json"))


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


class ApiEnvelope(BaseModel):
    """The body of an answer: `data` is the customer if the call succeeded, `errors` say why it did not."""

    data: Annotated[int | None, Field(description="The unique identifier of the customer.", examples=[423789336])]
    errors: Annotated[list[Problem] | None, Field(description="Errors during the API call, if any.")]
    warnings: Annotated[list[Problem] | None, Field(description="Warnings during the API call, if any.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiResponse:
    """Status, body and headers of an answer."""

    status: int
    envelope: ApiEnvelope
    headers: Mapping[str, str] = field(default_factory=dict)


def success_response(customer_id: int, *, warning: str | None = None) -> ApiResponse:
    """The answer to a call that succeeded."""
    warnings = None if warning is None else [Problem(code=_OK, message=warning)]
    return ApiResponse(status=_OK, envelope=ApiEnvelope(data=customer_id, errors=None, warnings=warnings))


def refusal_response(
    message: str, *, code: int | None, status: int = _OK, headers: Mapping[str, str] | None = None
) -> ApiResponse:
    """The answer to a call that failed or was refused."""
    problem = Problem(code=status if code is None else code, message=message)
    return ApiResponse(
        status=status, envelope=ApiEnvelope(data=None, errors=[problem], warnings=None), headers=dict(headers or {})
    )


def pending_response(request_id: str) -> ApiResponse:
    """The answer while the event is published and not decided."""
    warning = Problem(code=_ACCEPTED, message=_NOT_YET)
    return ApiResponse(
        status=_ACCEPTED,
        envelope=ApiEnvelope(data=None, errors=None, warnings=[warning]),
        headers={"Location": f"/requests/{request_id}", "Retry-After": "1"},
    )


def unenroll_response(customer_id: int, outcome: Outcome) -> ApiResponse:
    """The answer to an unenroll call with this outcome. A customer who had left before is a success with a warning."""
    if outcome is Outcome.UNENROLLED:
        return success_response(customer_id)
    if outcome is Outcome.ALREADY_UNENROLLED:
        return success_response(customer_id, warning=OUTCOMES[outcome])
    return refusal_response(OUTCOMES[outcome], code=outcome.code)


def enroll_response(customer_id: int, outcome: EnrollmentOutcome) -> ApiResponse:
    """The answer to an enroll call with this outcome."""
    if outcome is EnrollmentOutcome.OPENED:
        return success_response(customer_id)
    return refusal_response(ENROLLMENTS[outcome], code=outcome.code)


def dead_letter_response(dead: DeadLetter) -> ApiResponse:
    """The answer to a call whose event became a dead letter."""
    code = _CODES.get(dead.reason)
    return refusal_response(dead.detail, code=code, status=_FAILED if code is None else _OK)
