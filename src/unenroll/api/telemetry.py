"""Metrics, health and traces of the HTTP API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter

import asyncpg
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unenroll.errors import Server
from unenroll.kafka.admin import KafkaAdmin, TopicPartitionNumber
from unenroll.postgres.pool import ping
from unenroll.settings import ApiSettings
from unenroll.telemetry.collectors import ApiMeters, api_meters
from unenroll.telemetry.health import Health, check_servers
from unenroll.telemetry.state import ProcessState
from unenroll.telemetry.tracing import TracedCall, Traces
from unenroll.wire.cloudevents import TRACEPARENT
from unenroll.wire.topics import Topic
from unenroll.worker.telemetry import build_info, exported_traces, process_telemetry

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NONE = "none"
_OK = 200
_TOLD = "unenroll.told"


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiTelemetry:
    """Where the HTTP API reports to."""

    board: ProcessState
    health: Health
    meters: ApiMeters
    traces: Traces

    def routes(self) -> APIRouter:
        """Health without authentication: yes or no, and no details."""
        router = APIRouter(include_in_schema=False)

        async def alive() -> JSONResponse:
            status = self.health.alive().status
            return JSONResponse({"alive": status == _OK}, status)

        async def ready() -> JSONResponse:
            status = self.health.ready().status
            return JSONResponse({"ready": status == _OK}, status)

        router.add_api_route("/healthz", alive)
        router.add_api_route("/readyz", ready)
        return router


@asynccontextmanager
async def api_telemetry(settings: ApiSettings) -> AsyncIterator[ApiTelemetry]:
    """Serve metrics and health, and watch the event loop, until the end of the block. Raises SetupError."""
    board, meters = ProcessState(), api_meters(build_info())
    board.assign_lanes(())  # the HTTP API has no lanes
    async with process_telemetry(settings, board, meters) as health, exported_traces("unenroll-api") as traces:
        yield ApiTelemetry(board=board, health=health, meters=meters, traces=traces)


async def ask_servers(board: ProcessState, pool: asyncpg.Pool, settings: ApiSettings) -> None:
    """Check again and again whether Kafka and Postgres answer."""
    cluster = KafkaAdmin(settings)
    board.pool_sizes = lambda: (pool.get_idle_size(), pool.get_size(), pool.get_max_size())

    async def kafka() -> None:
        await cluster.ends([TopicPartitionNumber(topic=settings.topic_prefix + Topic.REQUESTS, number=0)])

    await check_servers(board, {Server.KAFKA: kafka, Server.POSTGRES: lambda: ping(pool)})


class _Told:
    """The span of a call, and its route once the router has found it."""

    def __init__(self, call: TracedCall) -> None:
        self.call = call
        self.route = _NONE


class RouteMiddleware:
    """Innermost middleware: notes the route of each call. Other middleware may pass on a copy of the scope."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on."""
        try:
            await self._app(scope, receive, send)
        finally:
            if _TOLD in scope:
                scope[_TOLD].route = getattr(scope.get("route"), "path", _NONE)


class MetricsMiddleware:
    """Outermost middleware: counts, times and traces all calls, refused ones included."""

    def __init__(self, app: ASGIApp, *, shown: ApiTelemetry) -> None:
        self._app = app
        self._shown = shown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        meters, began, status = self._shown.meters, perf_counter(), 0

        async def heard(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with meters.in_flight.track_inprogress(), self._shown.traces.call(_sent(scope)) as call:
            told = scope[_TOLD] = _Told(call)
            try:
                await self._app(scope, receive, heard)
            finally:
                method = scope["method"] if scope["method"] in _METHODS else _NONE
                meters.requests.labels(told.route, method, str(status or _NONE)).inc()
                meters.request_seconds.labels(told.route).observe(perf_counter() - began)
                call.finish(f"{method} {told.route}", status)


def traceparent_of(scope: Scope) -> str | None:
    """The `traceparent` for the event that this call publishes."""
    return scope[_TOLD].call.traceparent if _TOLD in scope else _sent(scope)


def _sent(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == TRACEPARENT.encode():
            return str(value.decode("latin-1"))
    return None
