"""How many calls are worked on at once."""

from collections.abc import Collection
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from unenroll.front.guards.refusals import later


class Crowd:
    """An app with so many calls in flight at the most. Open paths are not counted: a probe is answered all the same."""

    def __init__(self, app: ASGIApp, *, most: int, open_paths: Collection[str]) -> None:
        self._app = app
        self._most = most
        self._open = frozenset(open_paths)
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets the call through. Raises Refused if there are enough already."""
        if scope["type"] != "http" or scope["path"] in self._open:
            await self._app(scope, receive, send)
            return
        if self._inside >= self._most:
            raise later(HTTPStatus.SERVICE_UNAVAILABLE, "too many calls at once", seconds=1)
        self._inside += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._inside -= 1
