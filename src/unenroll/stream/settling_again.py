"""Tells the lanes of the accounts that appended cycles concern, by events of our own on topic `facts`.

An event may be told twice; its id is made of group, version and account, so the ledger settles it once.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer

from unenroll.settings import KafkaSettings
from unenroll.store.due import Due, taken_due
from unenroll.stream.clients import REQUEST_SECONDS, for_aiokafka
from unenroll.stream.outage import translated
from unenroll.wire.publish import encode_due

log = structlog.get_logger()

_TELLING_SECONDS = 8.0  # shorter than a transaction may idle


@dataclass(frozen=True, kw_only=True, slots=True)
class SettlingAgain:
    """What it takes to tell the lanes."""

    settings: KafkaSettings
    pool: asyncpg.Pool

    async def tell(self) -> None:
        """Tell of all accounts that are due. Raises OutageError, LaneLostError and SetupError."""
        while True:
            async with taken_due(self.pool) as due:
                if not due:
                    return
                with translated("telling of accounts to be settled again"):
                    async with asyncio.timeout(_TELLING_SECONDS):
                        await self._publish(due)
                log.info("settlement_resent", accounts=len(due))

    async def _publish(self, due: Iterable[Due]) -> None:
        producer = AIOKafkaProducer(
            **for_aiokafka(self.settings), enable_idempotence=True, request_timeout_ms=int(REQUEST_SECONDS * 1000)
        )
        await producer.start()
        try:
            sent = [await self._send(producer, one) for one in due]
            for future in sent:
                await future
        finally:
            await producer.stop()

    async def _send(self, producer: AIOKafkaProducer, due: Due) -> "asyncio.Future[object]":
        message = encode_due(
            account=(due.customer_id, due.target_id), group_id=due.group_id, version=due.version, time=due.due_at
        )
        topic = self.settings.topic_prefix + message.topic
        future: asyncio.Future[object] = await producer.send(
            topic, message.value, key=message.key, headers=list(message.headers)
        )
        return future
