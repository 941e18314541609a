"""Nobody gets further before it is known who calls: also not to a path that does not exist."""

import time
from collections.abc import Collection
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from unenroll.front.guards.authentication import Authentication
from unenroll.front.guards.caller import Caller
from unenroll.front.guards.rate import Buckets
from unenroll.front.guards.refusals import later

STATE = "unenroll_caller"


class Admission:
    """An app that sees only calls of known callers, each as often as its rate allows, and those to open paths."""

    def __init__(
        self, app: ASGIApp, *, authentication: Authentication, rates: Buckets, open_paths: Collection[str]
    ) -> None:
        self._app = app
        self._authentication = authentication
        self._rates = rates
        self._open = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets the call through, with its caller in the state of the call. Raises Refused."""
        if scope["type"] == "http" and scope["path"] not in self._open:
            caller = await self._caller(scope)
            scope = {**scope, "state": {**scope.get("state", {}), STATE: caller}}
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller:
        authorization = dict(scope["headers"]).get(b"authorization")
        said = None if authorization is None else authorization.decode("latin-1")
        address = (scope.get("client") or ("", 0))[0]
        caller = await self._authentication.caller(said, address=address)
        wait = self._rates.take(caller.name, time.monotonic())
        if wait:
            raise later(HTTPStatus.TOO_MANY_REQUESTS, "too many calls of this caller", seconds=wait)
        return caller
