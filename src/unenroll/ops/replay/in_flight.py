"""Limit how far a replay runs ahead of the lanes, and how many records it sends per second."""

import asyncio
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import NamedTuple

import asyncpg

from unenroll.core.events import EventKey
from unenroll.errors import OutageError, UnenrollError
from unenroll.kafka.admin import TopicPartitionNumber
from unenroll.kafka.consumer_group import GroupCoordinator
from unenroll.ops.replay.ledger_check import LedgerRecord, RecordResult, record_results
from unenroll.postgres.ledger import EventContent
from unenroll.text import plural

_POLL_SECONDS = 0.1


class _SentRecords(NamedTuple):
    records: Sequence[LedgerRecord]
    ends: Mapping[TopicPartitionNumber, int]


@dataclass(kw_only=True, slots=True)
class InFlight:
    """The records that the replay sent and the lanes have not decided yet, at most `limit`.

    `patience` is how many seconds the lanes may make no progress. `events` are the events of these records. `results`
    counts what the lanes decided.
    """

    pool: asyncpg.Pool
    coordinator: GroupCoordinator
    limit: int
    patience: float
    events: dict[EventKey, EventContent] = field(default_factory=dict)
    results: Counter[RecordResult] = field(default_factory=Counter)
    _sent: deque[_SentRecords] = field(default_factory=deque)
    _committed: Mapping[TopicPartitionNumber, int] = field(default_factory=dict)
    _count: int = 0

    @property
    def count(self) -> int:
        """How many records are not known to be decided yet."""
        return self._count

    def add(self, records: Sequence[LedgerRecord], ends: Mapping[TopicPartitionNumber, int]) -> None:
        """Add records that were sent. All of them lie before the offsets `ends` of their partitions."""
        self._sent.append(_SentRecords(records, dict(ends)))
        self._count += len(records)
        self.events |= dict(one.event for one in records if one.event is not None)

    async def wait_for_at_most(self, count: int, stopping: asyncio.Event) -> None:
        """Return when at most `count` records are in flight, or when stopping.

        Raises UnenrollError if the lanes make no progress for `patience` seconds, and SetupError.
        """
        deadline, before = monotonic() + self.patience, self._committed
        while self._count > count and not stopping.is_set():
            await self._update()
            if self._committed != before:
                deadline, before = monotonic() + self.patience, self._committed
            elif monotonic() > deadline:
                raise UnenrollError(
                    f"the lanes made no progress for {self.patience:g} s with {plural(self._count, 'record')} in "
                    "flight: is a worker running? The next worker decides what was sent"
                )
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), _POLL_SECONDS)

    async def _update(self) -> None:
        """Remove the records that the lanes have decided."""
        with suppress(OutageError):  # then the last known offsets stay, and the deadline comes closer
            committed = await self.coordinator.committed(self._sent[-1].ends)
            self._committed = {partition: one.offset for partition, one in committed.items() if one is not None}
        while self._sent and self._is_committed(self._sent[0].ends):
            records = self._sent.popleft().records
            self.results.update(await record_results(self.pool, records))
            self._count -= len(records)
            for one in records:
                if one.event is not None:
                    self.events.pop(one.event.key, None)

    def _is_committed(self, ends: Mapping[TopicPartitionNumber, int]) -> bool:
        return all(self._committed.get(partition, 0) >= end for partition, end in ends.items())


_BURST_SECONDS = 0.1


class RateLimit:
    """Allows `rate` records per second; None: no limit."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._next = monotonic()

    def burst_size(self, limit: int) -> int:
        """Return how many records may go at once, at most `limit`, so that the flow stays even."""
        return limit if self._rate is None else max(1, min(limit, int(self._rate * _BURST_SECONDS)))

    async def wait(self, count: int, stopping: asyncio.Event) -> None:
        """Return when `count` more records may go, or when stopping."""
        if self._rate is None:
            return
        start = max(self._next, monotonic())
        self._next = start + count / self._rate
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), max(0.0, start - monotonic()))
