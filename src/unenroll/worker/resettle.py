"""Publishes a SettlementDue event on topic `facts` for each account that new cycles change.

An event may be published twice. Its id consists of group, version and account, so the ledger settles it once.
"""

import asyncio
from dataclasses import dataclass

import asyncpg
import structlog

from unenroll.kafka.idempotent_producer import publisher
from unenroll.postgres.definitions import DueSettlement, due_settlements
from unenroll.settings import KafkaSettings
from unenroll.wire.encode import encode_settlement_due
from unenroll.wire.topics import Message

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Resettlement:
    """Publishes the due settlements of all groups."""

    settings: KafkaSettings
    pool: asyncpg.Pool

    async def publish_due(self) -> None:
        """Publish an event for each account that is due. Raises OutageError, LaneLostError and SetupError."""
        while True:
            async with due_settlements(self.pool) as due:
                if not due:
                    return
                async with publisher(self.settings) as publishing:  # fails before Postgres ends the idle transaction
                    await asyncio.gather(*(publishing.publish(_message(one)) for one in due))
                log.info("settlement_resent", accounts=len(due))


def _message(due: DueSettlement) -> Message:
    account = (due.customer_id, due.target_id)
    return encode_settlement_due(account=account, group_id=due.group_id, version=due.version, time=due.due_at)
