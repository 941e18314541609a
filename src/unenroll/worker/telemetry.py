"""What a running worker shows: its pages served, its event loop and its lanes watched, its servers asked."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from threading import Thread
from time import time
from typing import Any

import asyncpg

from unenroll.errors import Server
from unenroll.kafka.admin import KafkaAdmin, TopicPartitionNumber
from unenroll.kafka.range_reader import oldest_records
from unenroll.postgres.pool import TABLES_VERSION, ping
from unenroll.settings import WorkerSettings
from unenroll.telemetry.collectors import ApiMeters, BuildInfo, LaneGauges, ServerGauges, WorkerMeters, worker_meters
from unenroll.telemetry.health import Health, heartbeat, keep_asking
from unenroll.telemetry.http import pages, serve_pages
from unenroll.telemetry.state import LaneState, ProcessState
from unenroll.telemetry.tracing import Traces, traces_of
from unenroll.telemetry.watchdog import under_watchdog
from unenroll.wire.content_hash import CONTENT_VERSION
from unenroll.wire.topics import Topic
from unenroll.worker.lane_telemetry import LaneTelemetry

_LAST_TRACES_SECONDS = 3.0
_SHOWN_SECONDS = 5.0
"""For how long a batch that was published shows that Postgres answers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerTelemetry:
    """What all lanes of a worker write to."""

    prefix: str
    board: ProcessState
    meters: WorkerMeters
    traces: Traces

    def lane(self, number: int) -> LaneTelemetry:
        """The lane's own part."""
        return LaneTelemetry(
            number=number,
            prefix=self.prefix,
            board=self.board,
            now=self.board.lane(number),
            meters=self.meters,
            traces=self.traces,
        )


@asynccontextmanager
async def worker_telemetry(settings: WorkerSettings) -> AsyncIterator[WorkerTelemetry]:
    """Serve metrics and health, and watch for progress, until the end of the block. Raises SetupError."""
    board, meters = ProcessState(), worker_meters(build())
    meters.registry.register(LaneGauges(board, topic_prefix=settings.topic_prefix))
    async with looked_after(settings, board, meters), traced("unenroll") as traces:
        yield WorkerTelemetry(prefix=settings.topic_prefix, board=board, meters=meters, traces=traces)


@asynccontextmanager
async def looked_after(
    settings: WorkerSettings, board: ProcessState, meters: WorkerMeters | ApiMeters
) -> AsyncIterator[Health]:
    """The board and the meters served as pages, and both watched, until the end of the block. Raises SetupError."""
    meters.registry.register(ServerGauges(board))
    seconds = settings.progress_timeout_ms / 1000
    health = Health(board=board, seconds=seconds / 2)
    shown = pages(meters.registry, alive=health.alive, ready=health.ready)
    with under_watchdog(board, seconds=seconds):
        async with (
            serve_pages(settings.http_address, shown, required=is_asked_for(settings)),
            beside(heartbeat(board, meters.loop_lag)),
        ):
            yield health


def build() -> BuildInfo:
    """What runs here."""
    return BuildInfo(version=version("unenroll"), schema=TABLES_VERSION, rules=str(CONTENT_VERSION))


def is_asked_for(settings: WorkerSettings) -> bool:
    """Whether somebody chose the address. If it is the default one, another process may have it as well."""
    return "http_address" in settings.model_fields_set


@asynccontextmanager
async def traced(service: str) -> AsyncIterator[Traces]:
    """The traces that are asked for. At the end what was not sent yet has a moment to be."""
    traces = traces_of(service)
    try:
        yield traces
    finally:
        if traces.on:
            sending = Thread(target=traces.end, name="last traces", daemon=True)
            sending.start()
            await asyncio.to_thread(sending.join, _LAST_TRACES_SECONDS)


@asynccontextmanager
async def beside(coroutine: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """It runs until the end of the block."""
    task = asyncio.create_task(coroutine)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerProbe:
    """How a worker asks its servers, and learns by that how far behind its lanes are."""

    settings: WorkerSettings
    cluster: KafkaAdmin
    pool: asyncpg.Pool
    board: ProcessState
    _stood: dict[TopicPartitionNumber, int] = field(default_factory=dict)

    async def go_on(self) -> None:
        """Look for ever."""
        pool = self.pool
        self.board.pool = lambda: (pool.get_idle_size(), pool.get_size(), pool.get_max_size())
        await keep_asking(self.board, {Server.KAFKA: self._kafka, Server.POSTGRES: self._postgres})

    async def _postgres(self) -> None:
        if time() - self.board.progress_at > _SHOWN_SECONDS:
            await ping(self.pool)

    async def _kafka(self) -> None:
        lanes = dict(self.board.lanes)
        stand = {
            TopicPartitionNumber(topic=topic, number=number): offset
            for number, lane in lanes.items()
            for topic, offset in lane.positions.items()
        }
        anywhere = TopicPartitionNumber(topic=self.settings.topic_prefix + Topic.REQUESTS, number=0)
        ends = await self.cluster.ends(stand or [anywhere])
        for number, lane in lanes.items():
            lane.ends = {place.topic: end for place, end in ends.items() if place.number == number and place in stand}
        await self._oldest(lanes, {place: at for place, at in stand.items() if at < ends[place]})
        self._stood.clear()
        self._stood.update(stand)

    async def _oldest(self, lanes: Mapping[int, LaneState], lagging: Mapping[TopicPartitionNumber, int]) -> None:
        """Ask for what waits where a lane has not moved since the last look and has nothing in hand, once a place."""
        wanted = {
            place: offset
            for place, offset in lagging.items()
            if self._stood.get(place) == offset
            and (lane := lanes[place.number]).oldest_in_hand is None
            and lane.oldest_behind is None
        }
        if not wanted:
            return
        found = await oldest_records(self.settings, wanted)
        for number, lane in lanes.items():
            times = [_unix(at) for place, at in found.items() if place.number == number]
            if times and all(
                lane.positions.get(place.topic) == at for place, at in wanted.items() if place.number == number
            ):
                lane.oldest_behind = min(times)


def _unix(at: datetime) -> float:
    return at.timestamp()
