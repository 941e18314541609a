"""Run the HTTP API. At shutdown it accepts no more calls and answers those in flight."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from math import ceil
from typing import Any

import uvicorn
from structlog import get_logger

from unenroll.errors import SetupError
from unenroll.front.app import application
from unenroll.front.door import Door
from unenroll.front.guards.hardening import server_options
from unenroll.front.observing import Shown, ask_servers, observing
from unenroll.front.waiting import Waiting
from unenroll.in_the_clear import warn_of_the_clear
from unenroll.observe.board import Board, Stage
from unenroll.settings import FrontSettings
from unenroll.store.connect import check_tables, connected
from unenroll.stream.cluster import Cluster
from unenroll.stream.idempotent_producer import DELIVERY_SECONDS, publisher
from unenroll.stream.observing import beside
from unenroll.stream.topics import INPUTS, existing_topics

_CONNECTIONS = 8
_GRACE_SECONDS = 5

log = get_logger()


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


async def serve(settings: FrontSettings, *, stop: asyncio.Event) -> None:
    """Answer calls until `stop` is set. Raises SetupError, UsageError and OutageError if it cannot start."""
    warn_of_the_clear(settings)
    async with observing(settings) as shown:
        await existing_topics(Cluster(settings), [settings.topic_prefix + word for word in INPUTS])
        async with _door(settings, shown) as door:
            with _listening(settings.api_address) as listener:
                await _until(stop, _server(door, settings, shown), listener, board=shown.board)


@asynccontextmanager
async def _door(settings: FrontSettings, shown: Shown) -> AsyncIterator[Door]:
    async with (
        connected(settings.database_url, connections=_CONNECTIONS) as pool,
        publisher(settings) as publishing,
    ):
        await check_tables(pool)
        waiting = Waiting(pool)
        try:
            async with beside(ask_servers(shown.board, pool, settings)):
                yield Door(
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


def _server(door: Door, settings: FrontSettings, shown: Shown) -> uvicorn.Server:
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # Boundary logs failures
    finish_seconds = ceil(door.wait_seconds + DELIVERY_SECONDS) + _GRACE_SECONDS
    options: dict[str, Any] = {
        "log_config": None,
        "access_log": False,
        "lifespan": "off",
        "timeout_graceful_shutdown": finish_seconds,
    }
    return _Server(uvicorn.Config(application(door, settings, shown=shown), **options, **server_options()))


async def _until(stop: asyncio.Event, server: uvicorn.Server, listener: socket.socket, *, board: Board) -> None:
    async def close() -> None:
        await stop.wait()
        board.stage = Stage.STOPPING
        log.info("api_stopping")
        server.should_exit = True

    board.stage = Stage.WORKING
    closing = asyncio.create_task(close(), name="stop the HTTP API")
    try:
        await server.serve(sockets=[listener])
    finally:
        closing.cancel()
