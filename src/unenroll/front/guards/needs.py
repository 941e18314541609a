"""The scope that a route needs, for FastAPI: `Annotated[Caller, Depends(needs(Scope.WRITE))]`."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBase as HTTPModel
from fastapi.security.base import SecurityBase

from unenroll.front.guards.admission import STATE
from unenroll.front.guards.caller import ApiScope, Caller
from unenroll.front.guards.refusals import Refused, Unauthorized


class _Way(SecurityBase):
    """A security scheme for the OpenAPI document. Admission authenticates before FastAPI sees the call."""

    def __init__(self, scheme: str) -> None:
        self.model = HTTPModel(scheme=scheme)
        self.scheme_name = scheme

    async def __call__(self) -> None:
        """Do nothing."""


_BASIC = _Way("basic")
_BEARER = _Way("bearer")


def needs(scope: ApiScope) -> Callable[..., Awaitable[Caller]]:
    """A dependency that returns the caller. It raises Refused without an authenticated caller with this scope."""

    async def caller(
        request: Request, _basic: Annotated[None, Depends(_BASIC)], _bearer: Annotated[None, Depends(_BEARER)]
    ) -> Caller:
        found = getattr(request.state, STATE, None)
        if not isinstance(found, Caller):
            raise Unauthorized("Basic")
        if scope not in found.scopes:
            raise Refused(HTTPStatus.FORBIDDEN, f"the caller lacks the scope {scope}", _missing(scope))
        return found

    return caller


def _missing(scope: ApiScope) -> dict[str, str]:
    return {"WWW-Authenticate": f'Bearer realm="unenroll", error="insufficient_scope", scope="{scope}"'}
