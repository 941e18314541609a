"""Publish the events of undecided calls again, byte for byte."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from unenroll.api.request_flow import ledger_lookup, message_of
from unenroll.kafka.idempotent_producer import Publisher, publisher
from unenroll.postgres.api_requests import StoredRequest, event_results, undecided_requests
from unenroll.postgres.pool import check_tables, open_pool
from unenroll.settings import WorkerSettings
from unenroll.wire.topics import Message


@dataclass(frozen=True, kw_only=True, slots=True)
class Resent:
    """How many calls from before `before` were published again, or would be without `dry_run`."""

    dry_run: bool
    before: datetime
    calls: int


async def resend(settings: WorkerSettings, *, older_than: timedelta, dry_run: bool) -> Resent:
    """Publish them. Safe to repeat: the worker decides an event once. Raises OutageError and SetupError."""
    before = datetime.now(UTC) - older_than
    calls = 0
    async with (
        open_pool(settings.database_url.get_secret_value(), connections=1) as pool,
        publisher(settings) as producer,
    ):
        await check_tables(pool)
        async for some in undecided_requests(pool, before=before):
            undone = await _undone(pool, some, topic_prefix=settings.topic_prefix)
            calls += len(undone)
            if not dry_run:
                await _publish(producer, undone)
    return Resent(dry_run=dry_run, before=before, calls=calls)


async def _undone(pool: asyncpg.Pool, some: Sequence[StoredRequest], *, topic_prefix: str) -> list[Message]:
    """The events of those calls that are neither decided nor dead letters."""
    worded = [(request, message_of(request)) for request in some]
    events = {
        ledger_lookup(request, message, topic_prefix=topic_prefix): message
        for request, message in worded
        if isinstance(message, Message)
    }
    done = await event_results(pool, list(events)) if events else {}
    return [message for wanted, message in events.items() if wanted not in done]


async def _publish(producer: Publisher, messages: Sequence[Message]) -> None:
    await asyncio.gather(*map(producer.publish, messages))
