"""Erase a customer from Postgres while workers run."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from time import monotonic
from typing import TypeVar

import asyncpg

from unenroll.errors import OutageError, UnenrollError
from unenroll.kafka.admin import KafkaAdmin, TopicPartitionNumber
from unenroll.kafka.committed_offsets import last_published
from unenroll.kafka.consumer_group import committed_by
from unenroll.kafka.topics import INPUTS
from unenroll.ops.dlq.read import LetterFilter, open_letter_reader
from unenroll.ops.erase.outbox import OutboxErasure
from unenroll.postgres.erasure import PublishedLane, all_lanes, count_rows, erase_remaining, record_erasure, tombstone
from unenroll.postgres.errors import is_blocked
from unenroll.postgres.pool import check_tables, open_pool
from unenroll.settings import WorkerSettings

_RETRY_SECONDS = 0.5

TABLES = (
    *("accounts", "ledger", "api_requests", "replays"),
    *("publications", "dead_letters", "handled_letters"),
)

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class ErasureOptions:
    """The customer to erase. `patience` is how many seconds to wait for other transactions and for lanes."""

    customer_id: int
    dry_run: bool = False
    patience: float = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ErasureResult:
    """What was erased, or would be in a dry run: rows by table, and `messages` from the outbox.

    `unpublished` counts batches that still have messages of the customer, because no worker has published them.
    Workers and loads ignore the customer's events up to `until`; in a dry run it is that of an earlier erasure, or
    None.
    """

    customer_id: int
    dry_run: bool
    until: datetime | None
    rows: Mapping[str, int]
    messages: int
    unpublished: int


async def erase(settings: WorkerSettings, options: ErasureOptions) -> ErasureResult:
    """Erase the customer. Safe to repeat: a repetition finishes an interrupted erasure and erases newer events.

    Raises OutageError and SetupError, and UnenrollError if other transactions block it for too long.
    """
    async with open_pool(settings.database_url, connections=2) as pool:
        await check_tables(pool)
        deadline = monotonic() + options.patience
        erasure = _Erasure(settings=settings, pool=pool, options=options, deadline=deadline)
        return await (erasure.preview() if options.dry_run else erasure.erase())


@dataclass(kw_only=True, slots=True)
class _Erasure:
    settings: WorkerSettings
    pool: asyncpg.Pool
    options: ErasureOptions
    deadline: float
    rows: Counter[str] = field(default_factory=Counter)

    async def preview(self) -> ErasureResult:
        """Count what an erasure would delete."""
        earlier = await tombstone(self.pool, self.options.customer_id)
        self.rows.update(await count_rows(self.pool, self.options.customer_id))
        outbox = self._outbox()
        unpublished = await outbox.remove_messages(await self._published())
        return self._result(outbox, unpublished, until=None if earlier is None else earlier.until)

    async def erase(self) -> ErasureResult:
        """Erase the tables, then the outbox, then the dead letters, then what arrived in the tables meanwhile."""
        recorded, rows = await self._while_blocked(lambda: record_erasure(self.pool, self.options.customer_id))
        self.rows.update(rows)
        outbox = self._outbox()
        while unpublished := await outbox.remove_messages(await self._published()):
            if monotonic() > self.deadline:
                break
            await asyncio.sleep(_RETRY_SECONDS)
        await self._forget_letters(outbox)
        self.rows.update(await self._while_blocked(lambda: erase_remaining(self.pool, self.options.customer_id)))
        return self._result(outbox, unpublished, until=recorded.until)

    async def _forget_letters(self, outbox: OutboxErasure) -> None:
        """Forget the dead letters that are still on their topic, but no longer in the outbox."""
        letters = LetterFilter(prefix=self.settings.topic_prefix, customer_id=self.options.customer_id)
        async for found in (await open_letter_reader(self.settings, KafkaAdmin(self.settings))).letters(letters):
            await outbox.erase_letters(one.letter for one in found)

    async def _published(self) -> dict[int, int]:
        """The number of the last published decision of each lane, from its row and from the committed offsets."""
        lanes = await all_lanes(self.pool)
        groups = groupby(sorted(lanes.items(), key=_group), key=_group)
        published: dict[int, int] = {}
        for (prefix, group_id), members in groups:
            published.update(await self._published_by(prefix, group_id, dict(members)))
        return published

    async def _published_by(self, prefix: str, group_id: str, lanes: Mapping[int, PublishedLane]) -> dict[int, int]:
        settings = self.settings.model_copy(update={"group_id": group_id})
        partitions = {
            lane_id: [TopicPartitionNumber(topic=prefix + topic, number=lane.key.partition) for topic in INPUTS]
            for lane_id, lane in lanes.items()
        }
        committed = await committed_by(settings, [one for some in partitions.values() for one in some])
        return {
            lane_id: last_published(lane.published, (committed[one] for one in partitions[lane_id]))
            for lane_id, lane in lanes.items()
        }

    async def _while_blocked(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """The result of the work, retried while other transactions block it. Raises UnenrollError at the deadline."""
        while True:
            try:
                return await work()
            except OutageError as outage:
                if not is_blocked(outage):
                    raise
                if monotonic() > self.deadline:
                    raise UnenrollError(f"other transactions block the erasure: {outage}; erase again") from outage
            await asyncio.sleep(_RETRY_SECONDS)

    def _outbox(self) -> OutboxErasure:
        return OutboxErasure(pool=self.pool, customer_id=self.options.customer_id, dry_run=self.options.dry_run)

    def _result(self, outbox: OutboxErasure, unpublished: int, *, until: datetime | None) -> ErasureResult:
        rows = self.rows + outbox.counts
        messages = rows.pop("messages", 0)
        return ErasureResult(
            customer_id=self.options.customer_id,
            dry_run=self.options.dry_run,
            until=until,
            rows={table: rows[table] for table in TABLES},
            messages=messages,
            unpublished=unpublished,
        )


def _group(lane: tuple[int, PublishedLane]) -> tuple[str, str]:
    return lane[1].key.topic_prefix, lane[1].key.group_id
