"""The ASGI application of the HTTP API."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from math import ceil
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from structlog import get_logger

from unenroll.api.account_routes import routes
from unenroll.api.auth.authentication import required_scopes
from unenroll.api.auth.scopes import ApiScope
from unenroll.api.middleware import guard, server_options
from unenroll.api.request_flow import DecisionPoller, RequestFlow
from unenroll.api.schemas import ApiEnvelope, refusal_response
from unenroll.api.telemetry import ApiTelemetry, MetricsMiddleware, RouteMiddleware, api_telemetry, ask_servers
from unenroll.api.unenroll_routes import over_http, unenroll_routes
from unenroll.errors import OutageError, SetupError, UnenrollError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.idempotent_producer import DELIVERY_SECONDS, publisher
from unenroll.kafka.topics import INPUTS, existing_topics
from unenroll.postgres.pool import check_tables, open_pool
from unenroll.settings import ApiSettings
from unenroll.telemetry.state import ProcessStage, ProcessState
from unenroll.worker.preflight import warn_not_encrypted
from unenroll.worker.telemetry import background_task

_BAD_REQUEST, _FAILED, _UNAVAILABLE = 400, 500, 503
_UNSAID = "HTTPValidationError"
_TRY_AGAIN = {"Retry-After": "1"}

log = get_logger()


class ApiApplication(FastAPI):
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


def application(door: RequestFlow, settings: ApiSettings, *, shown: ApiTelemetry | None = None) -> FastAPI:
    """The application with its middleware. `shown`: where to count and trace calls, if anywhere.

    Raises UsageError and SetupError if the settings of authentication are unusable.
    """
    app = ApiApplication(
        title="Unenroll",
        summary="Customers leave and rejoin milestones and streaks.",
        version=version("unenroll"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(unenroll_routes(door, required_scopes(ApiScope.WRITE)))
    app.include_router(routes(pool=lambda: door.pool, reader=required_scopes(ApiScope.READ)))
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(UnenrollError, _trouble)
    if shown is not None:
        app.include_router(shown.routes())
        app.add_middleware(RouteMiddleware)
    guard(app, settings)
    if shown is not None:
        app.add_middleware(MetricsMiddleware, shown=shown)
    return app


def _mend(responses: dict[str, Any]) -> None:
    if _UNSAID in str(responses.get("422")):
        del responses["422"]
    for response in responses.values():
        content = response["content"]["application/json"]
        for holder, name in ((content, "example"), *((one, "value") for one in content.get("examples", {}).values())):
            if name in holder:
                holder[name] = dict.fromkeys(ApiEnvelope.model_fields) | holder[name]


async def _not_understood(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - for the type checker
    first = error.errors()[0]
    where = ".".join(str(step) for step in first["loc"])
    return over_http(refusal_response(f"{where}: {first['msg']}", code=None, status=_BAD_REQUEST))


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - the same
    return over_http(refusal_response(str(error.detail), code=None, status=error.status_code, headers=error.headers))


async def _trouble(_: Request, error: Exception) -> JSONResponse:
    """Kafka or Postgres is unavailable, or is not set up."""
    log.error("http_request_failed", why=str(error))
    if isinstance(error, OutageError):
        message = "Kafka or Postgres is unavailable: retry, best with the same Idempotency-Key"
        return over_http(refusal_response(message, code=None, status=_UNAVAILABLE, headers=_TRY_AGAIN))
    return over_http(refusal_response("the call failed; the server log says why", code=None, status=_FAILED))


_CONNECTIONS = 8
_GRACE_SECONDS = 5


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, and log the address."""
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            log.info("api_listening", address=f"{host}:{port}")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the caller of `serve`."""
        yield


async def serve(settings: ApiSettings, *, stop: asyncio.Event) -> None:
    """Answer calls until `stop` is set. Raises SetupError, UsageError and OutageError if it cannot start."""
    warn_not_encrypted(settings)
    async with api_telemetry(settings) as shown:
        await existing_topics(KafkaAdmin(settings), [settings.topic_prefix + word for word in INPUTS])
        async with _door(settings, shown) as door:
            with _listening(settings.api_address) as listener:
                await _until(stop, _server(door, settings, shown), listener, board=shown.board)


@asynccontextmanager
async def _door(settings: ApiSettings, shown: ApiTelemetry) -> AsyncIterator[RequestFlow]:
    async with (
        open_pool(settings.database_url, connections=_CONNECTIONS) as pool,
        publisher(settings) as publishing,
    ):
        await check_tables(pool)
        waiting = DecisionPoller(pool)
        try:
            async with background_task(ask_servers(shown.board, pool, settings)):
                yield RequestFlow(
                    pool=pool,
                    publisher=publishing,
                    waiting=waiting,
                    topic_prefix=settings.topic_prefix,
                    wait_seconds=settings.api_wait_ms / 1000,
                    waited=shown.meters.decision_wait.observe,
                )
        finally:
            await waiting.end()


@contextmanager
def _listening(address: str) -> Iterator[socket.socket]:
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, int(port)), family=family)
    except (OSError, OverflowError) as error:
        raise SetupError(f"cannot listen at {address}: {error}") from error
    with listener:
        yield listener


def _server(door: RequestFlow, settings: ApiSettings, shown: ApiTelemetry) -> uvicorn.Server:
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # Boundary logs failures
    finish_seconds = ceil(door.wait_seconds + DELIVERY_SECONDS) + _GRACE_SECONDS
    options: dict[str, Any] = {
        "log_config": None,
        "access_log": False,
        "lifespan": "off",
        "timeout_graceful_shutdown": finish_seconds,
    }
    return _Server(uvicorn.Config(application(door, settings, shown=shown), **options, **server_options()))


async def _until(stop: asyncio.Event, server: uvicorn.Server, listener: socket.socket, *, board: ProcessState) -> None:
    async def close() -> None:
        await stop.wait()
        board.stage = ProcessStage.STOPPING
        log.info("api_stopping")
        server.should_exit = True

    board.stage = ProcessStage.WORKING
    closing = asyncio.create_task(close(), name="stop the HTTP API")
    try:
        await server.serve(sockets=[listener])
    finally:
        closing.cancel()
