"""Middleware that authenticates each call and limits its rate, also on paths that do not exist."""

import time
from collections.abc import Collection
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from unenroll.front.guards.authentication import Authentication
from unenroll.front.guards.caller import Caller
from unenroll.front.guards.rate import Buckets
from unenroll.front.guards.refusals import Refused, later

STATE = "unenroll_caller"
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class Admission:
    """Passes on authenticated calls within their caller's rate, and calls of open paths."""

    def __init__(
        self, app: ASGIApp, *, authentication: Authentication, rates: Buckets, open_paths: Collection[str]
    ) -> None:
        self._app = app
        self._authentication = authentication
        self._rates = rates
        self._open = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, with its caller in the call's state. Raises Refused."""
        if scope["type"] == "http" and scope["path"] not in self._open:
            _check_site(scope)
            caller = await self._caller(scope)
            scope = {**scope, "state": {**scope.get("state", {}), STATE: caller}}
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller:
        address = (scope.get("client") or ("", 0))[0]
        caller = await self._authentication.caller(_authorization(scope), address=address)
        wait = self._rates.take(caller.name, time.monotonic())
        if wait:
            raise later(HTTPStatus.TOO_MANY_REQUESTS, "this caller makes too many calls", seconds=wait)
        return caller


def _authorization(scope: Scope) -> str | None:
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) > 1:
        raise Refused(HTTPStatus.BAD_REQUEST, "the header authorization appears twice")
    return values[0].decode("latin-1") if values else None


def _check_site(scope: Scope) -> None:
    """Refuse changes that a page of another site asks for: the browser adds the credentials that it remembers."""
    site = dict(scope["headers"]).get(b"sec-fetch-site", b"none")
    if scope["method"] not in _SAFE_METHODS and site not in {b"none", b"same-origin"}:
        raise Refused(HTTPStatus.FORBIDDEN, "a page of another site cannot change anything here")
