"""The telemetry of a worker process: serves metrics and health, runs the watchdog, and checks the servers."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from threading import Thread
from time import monotonic, time
from typing import Any

import asyncpg

from unenroll.errors import Server
from unenroll.kafka.admin import KafkaAdmin, TopicPartitionNumber
from unenroll.kafka.range_reader import oldest_records
from unenroll.postgres.pool import TABLES_VERSION, ping
from unenroll.settings import WorkerSettings
from unenroll.telemetry.collectors import ApiMeters, BuildInfo, LaneGauges, ServerGauges, WorkerMeters, worker_meters
from unenroll.telemetry.health import Health, check_servers, heartbeat
from unenroll.telemetry.http import pages, serve_pages
from unenroll.telemetry.state import LaneActivity, LaneState, ProcessState
from unenroll.telemetry.tracing import Traces, configured_traces
from unenroll.telemetry.watchdog import watchdog
from unenroll.wire.content_hash import CONTENT_VERSION
from unenroll.wire.topics import Topic
from unenroll.worker.lane_telemetry import LaneTelemetry

_LAST_TRACES_SECONDS = 3.0
_PROGRESS_SECONDS = 5.0
"""For how long a published batch proves that Postgres answers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerTelemetry:
    """What the lanes of a worker report to. `prefix` is the prefix of the topics' names."""

    prefix: str
    state: ProcessState
    meters: WorkerMeters
    traces: Traces

    def lane(self, number: int) -> LaneTelemetry:
        """The telemetry of a lane that opens now."""
        return LaneTelemetry(
            number=number,
            prefix=self.prefix,
            process=self.state,
            state=self.state.add_lane(number),
            meters=self.meters,
            traces=self.traces,
        )


@asynccontextmanager
async def worker_telemetry(settings: WorkerSettings) -> AsyncIterator[WorkerTelemetry]:
    """Serve metrics and health, and run the watchdog, until the end of the block. Raises SetupError."""
    state, meters = ProcessState(), worker_meters(build_info())
    meters.registry.register(LaneGauges(state, topic_prefix=settings.topic_prefix))
    async with process_telemetry(settings, state, meters), exported_traces("unenroll") as traces:
        yield WorkerTelemetry(prefix=settings.topic_prefix, state=state, meters=meters, traces=traces)


@asynccontextmanager
async def process_telemetry(
    settings: WorkerSettings, state: ProcessState, meters: WorkerMeters | ApiMeters
) -> AsyncIterator[Health]:
    """Serve metrics and health, and run the watchdog, until the end of the block. Raises SetupError.

    The worker and the HTTP API both use this.
    """
    meters.registry.register(ServerGauges(state))
    seconds = settings.progress_timeout_ms / 1000
    health = Health(state=state, seconds=seconds / 2)
    # Another process may use the default address. An address that somebody has set has to be free.
    required = "http_address" in settings.model_fields_set
    with watchdog(state, seconds=seconds):
        async with (
            serve_pages(
                settings.http_address,
                pages(meters.registry, alive=health.alive, ready=health.ready),
                required=required,
            ),
            background_task(heartbeat(state, meters.loop_lag)),
        ):
            yield health


def build_info() -> BuildInfo:
    """The versions of this program."""
    return BuildInfo(version=version("unenroll"), schema=TABLES_VERSION, rules=str(CONTENT_VERSION))


@asynccontextmanager
async def exported_traces(service: str) -> AsyncIterator[Traces]:
    """The configured traces. The remaining spans have 3 s to be sent at the end of the block."""
    traces = configured_traces(service)
    try:
        yield traces
    finally:
        if traces.enabled:
            sending = Thread(target=traces.shutdown, name="last traces", daemon=True)
            sending.start()
            await asyncio.to_thread(sending.join, _LAST_TRACES_SECONDS)


@asynccontextmanager
async def background_task(coroutine: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run the coroutine until the end of the block."""
    task = asyncio.create_task(coroutine)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerProbe:
    """Checks whether Kafka and Postgres answer, and measures by that how far each lane is behind its topics."""

    settings: WorkerSettings
    cluster: KafkaAdmin
    pool: asyncpg.Pool
    state: ProcessState
    _last_offsets: dict[TopicPartitionNumber, int] = field(default_factory=dict)

    async def run(self) -> None:
        """Check the servers for ever."""
        pool = self.pool
        self.state.pool_sizes = lambda: (pool.get_idle_size(), pool.get_size(), pool.get_max_size())
        await check_servers(self.state, {Server.KAFKA: self._check_kafka, Server.POSTGRES: self._check_postgres})

    async def _check_postgres(self) -> None:
        if time() - self.state.progress_at > _PROGRESS_SECONDS:
            await ping(self.pool)

    async def _check_kafka(self) -> None:
        lanes = dict(self.state.lanes)
        offsets = {
            TopicPartitionNumber(topic=topic, number=number): offset
            for number, lane in lanes.items()
            for topic, offset in lane.positions.items()
        }
        any_partition = TopicPartitionNumber(topic=self.settings.topic_prefix + Topic.REQUESTS, number=0)
        ends = await self.cluster.ends(offsets or [any_partition])
        high = await self.cluster.high_watermarks(offsets)
        for number, lane in lanes.items():
            own = [partition for partition in offsets if partition.number == number]
            lane.ends = {partition.topic: ends[partition] for partition in own}
            lane.withheld = {partition.topic: max(0, high[partition] - ends[partition]) for partition in own}
        behind = {partition: offset for partition, offset in offsets.items() if offset < ends[partition]}
        self._mark_unread(lanes, behind)
        await self._find_oldest(lanes, behind)
        self._last_offsets.clear()
        self._last_offsets.update(offsets)

    def _mark_unread(self, lanes: Mapping[int, LaneState], behind: Mapping[TopicPartitionNumber, int]) -> None:
        """Mark the lanes that read, have records to read, and have not moved since the last check."""
        for number, lane in lanes.items():
            unmoved = any(
                self._last_offsets.get(partition) == offset
                for partition, offset in behind.items()
                if partition.number == number
            )
            if not unmoved or lane.activity is not LaneActivity.READING:
                lane.unread_since = None
            elif lane.unread_since is None:
                lane.unread_since = monotonic()

    async def _find_oldest(self, lanes: Mapping[int, LaneState], behind: Mapping[TopicPartitionNumber, int]) -> None:
        """Read when the oldest waiting record was appended, once per position.

        Only for lanes that have not moved since the last check and have no batch.
        """
        stuck = {
            partition: offset
            for partition, offset in behind.items()
            if self._last_offsets.get(partition) == offset
            and (lane := lanes[partition.number]).oldest_in_batch is None
            and lane.oldest_waiting is None
        }
        if not stuck:
            return
        oldest = await oldest_records(self.settings, stuck)
        for number, lane in lanes.items():
            times = [appended.timestamp() for partition, appended in oldest.items() if partition.number == number]
            unmoved = all(
                lane.positions.get(partition.topic) == offset
                for partition, offset in stuck.items()
                if partition.number == number
            )
            if times and unmoved:
                lane.oldest_waiting = min(times)
