"""What was sent and is not decided yet: the lanes are never given more than they may fall behind live traffic for."""

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

_LOOK_SECONDS = 0.1


class _Sent(NamedTuple):
    records: Sequence[LedgerRecord]
    ends: Mapping[TopicPartitionNumber, int]


@dataclass(kw_only=True, slots=True)
class InFlight:
    """The records that were sent, in order, until the group has decided them and published what comes of them.

    `most` records may be under way; the lanes may stand still for so many seconds of `patience`.
    """

    pool: asyncpg.Pool
    coordinator: GroupCoordinator
    most: int
    patience: float
    under_way: dict[EventKey, EventContent] = field(default_factory=dict)
    became: Counter[RecordResult] = field(default_factory=Counter)
    _sent: deque[_Sent] = field(default_factory=deque)
    _committed: Mapping[TopicPartitionNumber, int] = field(default_factory=dict)
    _count: int = 0

    @property
    def count(self) -> int:
        """How many records are not decided yet, as far as we know."""
        return self._count

    def add(self, records: Sequence[LedgerRecord], ends: Mapping[TopicPartitionNumber, int]) -> None:
        """These are on their topics by now, somewhere before these ends."""
        self._sent.append(_Sent(records, dict(ends)))
        self._count += len(records)
        self.under_way |= dict(one.event for one in records if one.event is not None)

    async def shrink(self, most: int, stopping: asyncio.Event) -> None:
        """Return when no more than so many are under way, or when stopping.

        Raises UnenrollError if the lanes stand still for too long, OutageError and SetupError.
        """
        deadline, before = monotonic() + self.patience, self._committed
        while self._count > most and not stopping.is_set():
            await self._look()
            if self._committed != before:
                deadline, before = monotonic() + self.patience, self._committed
            elif monotonic() > deadline:
                raise UnenrollError(
                    f"the lanes have not moved for {self.patience:g} s with {self._count:,} records under way: "
                    "is a worker running? The next one decides what was sent"
                )
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), _LOOK_SECONDS)

    async def _look(self) -> None:
        """Find out which are decided by now."""
        with suppress(OutageError):  # then nothing has moved, as far as we know
            committed = await self.coordinator.committed(self._sent[-1].ends)
            self._committed = {place: found.offset for place, found in committed.items() if found is not None}
        while self._sent and self._reached(self._sent[0].ends):
            records = self._sent.popleft().records
            self.became.update(await record_results(self.pool, records))
            self._count -= len(records)
            for one in records:
                if one.event is not None:
                    self.under_way.pop(one.event.key, None)

    def _reached(self, ends: Mapping[TopicPartitionNumber, int]) -> bool:
        return all(self._committed.get(place, 0) >= end for place, end in ends.items())


_FITS = 0.1


class RateLimit:
    """`rate` a second; None: as fast as can be."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._next = monotonic()

    def at_once(self, most: int) -> int:
        """How many may go together, of `most`, without going in fits and starts."""
        return most if self._rate is None else max(1, min(most, int(self._rate * _FITS)))

    async def wait(self, count: int, stopping: asyncio.Event) -> None:
        """Return when it is the turn of so many more, or when stopping."""
        if self._rate is None:
            return
        turn = max(self._next, monotonic())
        self._next = turn + count / self._rate
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), max(0.0, turn - monotonic()))
