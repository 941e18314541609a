"""Tells the lanes of the accounts that appended cycles concern, by events of our own on topic `facts`.

An event may be told twice; its id is made of group, version and account, so the ledger settles it once.
"""

import asyncio
from dataclasses import dataclass

import asyncpg
import structlog

from unenroll.kafka.idempotent_producer import publisher
from unenroll.postgres.definitions import DueSettlement, taken_due
from unenroll.settings import KafkaSettings
from unenroll.wire.encode import encode_due
from unenroll.wire.topics import Message

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Resettlement:
    """What it takes to tell the lanes."""

    settings: KafkaSettings
    pool: asyncpg.Pool

    async def tell(self) -> None:
        """Tell of all accounts that are due. Raises OutageError, LaneLostError and SetupError."""
        while True:
            async with taken_due(self.pool) as due:
                if not due:
                    return
                async with publisher(self.settings) as publishing:  # gives up before the transaction idles for too long
                    await asyncio.gather(*(publishing.publish(_message(one)) for one in due))
                log.info("settlement_resent", accounts=len(due))


def _message(due: DueSettlement) -> Message:
    account = (due.customer_id, due.target_id)
    return encode_due(account=account, group_id=due.group_id, version=due.version, time=due.due_at)
