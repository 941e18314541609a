"""A customer erased from beginning to end, beside workers."""

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
from unenroll.postgres.erasure import PublishedLane, all_lanes, counted, record_erasure, sweep, tombstone
from unenroll.postgres.errors import blocked
from unenroll.postgres.pool import check_tables, connected
from unenroll.settings import WorkerSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class ErasureOptions:
    """Who is to be erased. `patience`: for how many seconds lanes and batches in hand are waited for."""

    customer_id: int
    dry_run: bool = False
    patience: float = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ErasureResult:
    """What went, or of a dry run would: rows by table, and `messages` out of the bytes of batches.

    `unpublished` batches hold messages of the customer that are not visible yet: they go once they are. What happened
    up to `until` is not taken from any topic or file any more; of a dry run that is when the customer was erased
    before, if ever.
    """

    customer_id: int
    dry_run: bool
    until: datetime | None
    rows: Mapping[str, int]
    messages: int
    unpublished: int


_AGAIN_SECONDS = 0.5

TABLES = (
    *("accounts", "ledger", "api_requests", "settlements_due", "replays"),
    *("publications", "dead_letters", "handled_letters"),
)

Done = TypeVar("Done")


async def erase(settings: WorkerSettings, order: ErasureOptions) -> ErasureResult:
    """Erase the customer. Raises UnenrollError where others are at work for too long, OutageError and SetupError.

    Whatever breaks it off: to do it again goes on. So does a second order, for what has come since.
    """
    async with connected(settings.database_url, connections=2) as pool:
        await check_tables(pool)
        erasing = _Erasing(settings=settings, pool=pool, order=order, deadline=monotonic() + order.patience)
        return await (erasing.looked() if order.dry_run else erasing.done())


@dataclass(kw_only=True, slots=True)
class _Erasing:
    settings: WorkerSettings
    pool: asyncpg.Pool
    order: ErasureOptions
    deadline: float
    rows: Counter[str] = field(default_factory=Counter)

    async def looked(self) -> ErasureResult:
        """What would go."""
        before = await tombstone(self.pool, self.order.customer_id)
        self.rows.update(await counted(self.pool, self.order.customer_id))
        found = self._bytes()
        unpublished = await found.clear(await self._published())
        return self._erased(found, unpublished, until=None if before is None else before.until)

    async def done(self) -> ErasureResult:
        """What went."""
        tomb, rows = await self._patiently(lambda: record_erasure(self.pool, self.order.customer_id))
        self.rows.update(rows)
        found = self._bytes()
        while unpublished := await found.clear(await self._published()):
            if monotonic() > self.deadline:
                break
            await asyncio.sleep(_AGAIN_SECONDS)
        await self._letters(found)
        self.rows.update(await self._patiently(lambda: sweep(self.pool, self.order.customer_id)))
        return self._erased(found, unpublished, until=tomb.until)

    async def _letters(self, found: OutboxErasure) -> None:
        """Letters whose bytes are not kept any more lie on their topic still."""
        wanted = LetterFilter(prefix=self.settings.topic_prefix, customer_id=self.order.customer_id)
        async for some in (await open_letter_reader(self.settings, KafkaAdmin(self.settings))).letters(wanted):
            await found.forget(one.letter for one in some)

    async def _published(self) -> dict[int, int]:
        """The last published number of each lane: as its row has it, or Kafka beside the offsets."""
        lanes = await all_lanes(self.pool)
        groups = groupby(sorted(lanes.items(), key=_group), key=_group)
        found: dict[int, int] = {}
        for (prefix, group_id), members in groups:
            found.update(await self._published_by(prefix, group_id, dict(members)))
        return found

    async def _published_by(self, prefix: str, group_id: str, lanes: Mapping[int, PublishedLane]) -> dict[int, int]:
        own = self.settings.model_copy(update={"group_id": group_id})
        places = {
            lane_id: [TopicPartitionNumber(topic=prefix + word, number=lane.key.partition) for word in INPUTS]
            for lane_id, lane in lanes.items()
        }
        committed = await committed_by(own, [place for some in places.values() for place in some])
        return {
            lane_id: last_published(lane.published, (committed[place] for place in places[lane_id]))
            for lane_id, lane in lanes.items()
        }

    async def _patiently(self, work: Callable[[], Awaitable[Done]]) -> Done:
        """The work done between batches that take long. Raises UnenrollError when patience has an end."""
        while True:
            try:
                return await work()
            except OutageError as outage:
                if not blocked(outage):
                    raise
                if monotonic() > self.deadline:
                    raise UnenrollError(f"others are at work with the tables for too long: {outage}") from outage
            await asyncio.sleep(_AGAIN_SECONDS)

    def _bytes(self) -> OutboxErasure:
        return OutboxErasure(pool=self.pool, customer_id=self.order.customer_id, dry_run=self.order.dry_run)

    def _erased(self, found: OutboxErasure, unpublished: int, *, until: datetime | None) -> ErasureResult:
        rows = self.rows + found.counts
        messages = rows.pop("messages", 0)
        return ErasureResult(
            customer_id=self.order.customer_id,
            dry_run=self.order.dry_run,
            until=until,
            rows={table: rows[table] for table in TABLES},
            messages=messages,
            unpublished=unpublished,
        )


def _group(one: tuple[int, PublishedLane]) -> tuple[str, str]:
    return one[1].key.topic_prefix, one[1].key.group_id
