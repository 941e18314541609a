"""Publishes a SettlementDue event on topic `facts` for each account that appended cycles may change.

An event may be published twice. Its id consists of group, version and account, so the ledger settles it once.
"""

import asyncio
from dataclasses import dataclass

import asyncpg
import structlog

from unenroll.errors import LaneLostError, OutageError
from unenroll.kafka.idempotent_producer import Publisher, publisher
from unenroll.postgres.definitions import DuePage, due_page, has_resettlements
from unenroll.settings import KafkaSettings
from unenroll.wire.encode import encode_settlement_due
from unenroll.wire.topics import Message
from unenroll.worker.backoff import RESETTLEMENT, OutageLog

log = structlog.get_logger()

_POLL_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Resettlement:
    """Publishes the events of all groups, one page of accounts after the other, while the lanes work."""

    settings: KafkaSettings
    pool: asyncpg.Pool

    async def run(self, outages: OutageLog) -> None:
        """Publish for ever what is due; waits while a server is away. Raises SetupError."""
        while True:
            try:
                await self.publish_due()
            except (OutageError, LaneLostError) as error:
                outages.begin(RESETTLEMENT, error)
            else:
                outages.end(RESETTLEMENT)
            await asyncio.sleep(_POLL_SECONDS)

    async def publish_due(self) -> None:
        """Publish an event for each account that is due. Raises OutageError, LaneLostError and SetupError."""
        if not await has_resettlements(self.pool):
            return
        async with publisher(self.settings) as publishing:
            while (page := await self._publish_page(publishing)) is not None:
                if page.accounts:
                    log.info("settlements_due", group=page.group_id, version=page.version, accounts=len(page.accounts))

    async def _publish_page(self, publishing: Publisher) -> DuePage | None:
        async with due_page(self.pool) as page:
            if page is not None:  # a publisher gives up before Postgres ends the idle transaction
                await asyncio.gather(*(publishing.publish(message) for message in _messages(page)))
            return page


def _messages(page: DuePage) -> list[Message]:
    return [
        encode_settlement_due(account=account, group_id=page.group_id, version=page.version, time=page.accepted_at)
        for account in page.accounts
    ]
