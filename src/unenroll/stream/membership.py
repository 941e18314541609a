"""Membership of the consumer group. It says which lanes are a worker's; what they hold, each lane reads for itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer

from unenroll.settings import WorkerSettings
from unenroll.stream.assignor import NumberAssignor
from unenroll.stream.clients import for_aiokafka, let_go, stays_current
from unenroll.stream.outage import kafka_errors

_HEARTBEATS_IN_A_SESSION = 5
_LONGEST_HEARTBEAT_MS = 3_000
_REBALANCE_TIMEOUT_MS = 30_000
_REQUEST_TIMEOUT_MS = 40_000
_NEVER_MS = 2**31 - 1
_JOIN_SECONDS = 30.0
_LEAVE_SECONDS = 10.0


@asynccontextmanager
async def joined(settings: WorkerSettings, client_id: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that joins the group as soon as it subscribes, and leaves it at the end. Raises OutageError."""
    consumer = AIOKafkaConsumer(
        **for_aiokafka(settings),
        client_id=client_id,
        group_id=settings.group_id,
        enable_auto_commit=False,
        auto_offset_reset="none",
        partition_assignment_strategy=(NumberAssignor,),
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_interval_ms=min(settings.session_timeout_ms // _HEARTBEATS_IN_A_SESSION, _LONGEST_HEARTBEAT_MS),
        rebalance_timeout_ms=_REBALANCE_TIMEOUT_MS,
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
        max_poll_interval_ms=_NEVER_MS,
    )
    stays_current(settings, consumer._client)  # noqa: SLF001 - nothing public has it
    try:
        with kafka_errors("joining the group"):
            async with asyncio.timeout(_JOIN_SECONDS):
                await consumer.start()
        yield consumer
    finally:
        await let_go(consumer.stop(), seconds=_LEAVE_SECONDS)
