"""What the front door asks of those who guard it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from fastapi import FastAPI

from unenroll.errors import SetupError, UsageError
from unenroll.front.guards.caller import Caller, Scope
from unenroll.settings import FrontSettings


class Guards(Protocol):
    """Who may call, and how much."""

    def needs(self, scope: Scope) -> Callable[..., Awaitable[Caller]]:
        """A dependency: the caller, who has this scope. It refuses all others with 401 or 403."""

    def guard(self, app: FastAPI) -> None:
        """Hold every call to its limits."""

    def server_options(self) -> Mapping[str, Any]:
        """What the server is to be told, so that it holds every connection to its limits."""


def guards_of(settings: FrontSettings) -> Guards:
    """The guards that the settings name. Raises UsageError where they name none: nobody could be known."""
    if settings.api_clients_file is None and settings.api_jwks is None:
        raise UsageError("nobody could call: set UNENROLL_API_CLIENTS_FILE, UNENROLL_API_JWKS, or both")
    raise SetupError("this version cannot tell callers from one another yet, so it lets nobody in")
