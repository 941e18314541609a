"""The routes of the calls: unenroll, enroll, and the outcome of either."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from time import monotonic
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Request
from fastapi.responses import JSONResponse
from structlog import get_logger

from unenroll.api.auth.clients import Caller
from unenroll.api.auth.scopes import ApiScope
from unenroll.api.errors import HttpRefusal
from unenroll.api.openapi import ENROLL, OUTCOME, UNENROLL, RouteDocumentation
from unenroll.api.request_flow import ApiCall, RequestFlow
from unenroll.api.schemas import (
    KEY,
    ApiEnvelope,
    ApiResponse,
    EnrollRecord,
    PathId,
    UnenrollRecord,
    idempotency_key,
    read_body,
)
from unenroll.api.telemetry import traceparent_of
from unenroll.postgres.api_requests import stored_request
from unenroll.telemetry.tracing import trace_id
from unenroll.wire.cloudevents import MAX_TRACEPARENT_BYTES

_TARGET = "/targetGroups/{targetGroupId}/targets/{targetId}"
_PREFIXES = {"": "", "/v3": "-v3"}
_NEEDS_SCOPE = f"effectiveAt needs the scope {ApiScope.BACKDATE}"

log = get_logger()

Writer = Callable[..., Awaitable[Caller]]
"""A dependency that returns a caller with the scope to unenroll and enroll."""

_Group = Annotated[PathId, Path(alias="targetGroupId", description="the target group")]
_Target = Annotated[PathId, Path(alias="targetId", description="the target")]
_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="calls with the same key and body are done once and get the same answer; another body is refused",
        pattern=KEY,
        examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
    ),
]


def unenroll_routes(door: RequestFlow, writer: Writer) -> APIRouter:
    """The routes. `writer`: see Writer."""
    router = APIRouter()
    may_write = Depends(writer)

    async def unenroll(
        request: Request, group: _Group, target: _Target, *, key: _Key = None, caller: Caller = may_write
    ) -> JSONResponse:
        del key  # only documented here: `_asked` reads all headers of that name
        return await _asked(door, request, UnenrollRecord, caller=caller, place=(group, target))

    async def enroll(
        request: Request, group: _Group, target: _Target, *, key: _Key = None, caller: Caller = may_write
    ) -> JSONResponse:
        del key  # as above
        return await _asked(door, request, EnrollRecord, caller=caller, place=(group, target))

    async def outcome(
        request_id: Annotated[UUID, Path(alias="requestId")], *, caller: Caller = may_write
    ) -> JSONResponse:
        request = await stored_request(door.pool, str(request_id))
        if request is None or request.caller != caller.name:
            raise HttpRefusal(HTTPStatus.NOT_FOUND, "this caller has made no such request")
        return over_http(await door.outcome(request), request_id=request.request_id)

    for prefix, suffix in _PREFIXES.items():
        _route(router, f"{prefix}{_TARGET}/unEnroll", unenroll, told=UNENROLL, suffix=suffix)
        _route(router, f"{prefix}{_TARGET}/enroll", enroll, told=ENROLL, suffix=suffix)
    _route(router, "/requests/{requestId}", outcome, told=OUTCOME)
    return router


def over_http(answer: ApiResponse, *, request_id: str | None = None) -> JSONResponse:
    """The answer as an HTTP response."""
    named = {} if request_id is None else {"Request-Id": request_id}
    return JSONResponse(answer.envelope.model_dump(), answer.status, headers={**answer.headers, **named})


async def _asked(
    door: RequestFlow,
    request: Request,
    model: type[UnenrollRecord] | type[EnrollRecord],
    *,
    caller: Caller,
    place: tuple[int, int],
) -> JSONResponse:
    began = monotonic()
    record, document = read_body(model, await request.body(), content_type=request.headers.get("content-type"))
    if record.effective_at is not None and ApiScope.BACKDATE not in caller.scopes:
        raise HttpRefusal(HTTPStatus.FORBIDDEN, _NEEDS_SCOPE)
    asked = ApiCall(
        caller=caller.name,
        group_id=place[0],
        target_id=place[1],
        record=record,
        document=document,
        key=idempotency_key(request.headers.getlist("idempotency-key")),
        traceparent=_traceparent(request),
    )
    kept, answer = await door.answer(asked)
    milliseconds = round((monotonic() - began) * 1000, 1)
    log.info(
        "api_call",
        request_id=kept.request_id,
        asked=kept.event_type,
        caller=kept.caller,
        status=answer.status,
        milliseconds=milliseconds,
        **({} if (trace := trace_id(kept.traceparent)) is None else {"trace_id": trace}),
    )
    return over_http(answer, request_id=kept.request_id)


def _traceparent(request: Request) -> str | None:
    value = traceparent_of(request.scope)
    return value if value is not None and value.isascii() and len(value) <= MAX_TRACEPARENT_BYTES else None


def _route(
    router: APIRouter,
    path: str,
    endpoint: Callable[..., Awaitable[JSONResponse]],
    *,
    told: RouteDocumentation,
    suffix: str = "",
) -> None:
    router.add_api_route(
        path,
        endpoint,
        methods=[told.method],
        operation_id=told.name + suffix,
        summary=told.summary,
        description=told.description,
        response_model=ApiEnvelope,
        responses=told.responses,
        openapi_extra=told.extra,
    )
