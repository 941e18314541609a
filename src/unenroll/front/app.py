"""The ASGI application of the HTTP API."""

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from structlog import get_logger

from unenroll.errors import OutageError, UnenrollError
from unenroll.front.answers import Envelope, refused
from unenroll.front.calls import calls, over_http
from unenroll.front.door import Door
from unenroll.front.guards.caller import ApiScope
from unenroll.front.guards.hardening import guard
from unenroll.front.guards.needs import needs
from unenroll.front.observing import Counted, Routed, Shown
from unenroll.front.reading import routes
from unenroll.settings import FrontSettings

_BAD_REQUEST, _FAILED, _UNAVAILABLE = 400, 500, 503
_UNSAID = "HTTPValidationError"
_TRY_AGAIN = {"Retry-After": "1"}

log = get_logger()


class FrontDoor(FastAPI):
    """The application, with an OpenAPI document that lists only answers that it gives, with complete examples."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document without FastAPI's own 422, and with the null fields that FastAPI drops from examples."""
        if self.openapi_schema is None:
            document = super().openapi()
            for methods in document["paths"].values():
                for operation in methods.values():
                    _mend(operation["responses"])
            for name in (_UNSAID, "ValidationError"):
                document["components"]["schemas"].pop(name, None)
        return self.openapi_schema or {}


def application(door: Door, settings: FrontSettings, *, shown: Shown | None = None) -> FastAPI:
    """The application with its middleware. `shown`: where to count and trace calls, if anywhere.

    Raises UsageError and SetupError if the settings of authentication are unusable.
    """
    app = FrontDoor(
        title="Unenroll",
        summary="Customers leave and rejoin milestones and streaks.",
        version=version("unenroll"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(calls(door, needs(ApiScope.WRITE)))
    app.include_router(routes(pool=lambda: door.pool, reader=needs(ApiScope.READ)))
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(UnenrollError, _trouble)
    if shown is not None:
        app.include_router(shown.routes())
        app.add_middleware(Routed)
    guard(app, settings)
    if shown is not None:
        app.add_middleware(Counted, shown=shown)
    return app


def _mend(responses: dict[str, Any]) -> None:
    if _UNSAID in str(responses.get("422")):
        del responses["422"]
    for response in responses.values():
        content = response["content"]["application/json"]
        for holder, name in ((content, "example"), *((one, "value") for one in content.get("examples", {}).values())):
            if name in holder:
                holder[name] = dict.fromkeys(Envelope.model_fields) | holder[name]


async def _not_understood(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - for the type checker
    first = error.errors()[0]
    where = ".".join(str(step) for step in first["loc"])
    return over_http(refused(f"{where}: {first['msg']}", code=None, status=_BAD_REQUEST))


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - the same
    return over_http(refused(str(error.detail), code=None, status=error.status_code, headers=error.headers))


async def _trouble(_: Request, error: Exception) -> JSONResponse:
    """Kafka or Postgres is unavailable, or is not set up."""
    log.error("http_request_failed", why=str(error))
    if isinstance(error, OutageError):
        message = "Kafka or Postgres is unavailable: retry, best with the same Idempotency-Key"
        return over_http(refused(message, code=None, status=_UNAVAILABLE, headers=_TRY_AGAIN))
    return over_http(refused("the call failed; the server log says why", code=None, status=_FAILED))
