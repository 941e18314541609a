"""One Postgres transaction: a batch gathered, decided and saved."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import asyncpg

from unenroll.cooperative import yielding
from unenroll.errors import OvertakenError
from unenroll.postgres.accounts import save_accounts
from unenroll.postgres.definitions import DefinitionCache
from unenroll.postgres.lanes import LaneRow, PendingBatch, hold_lane, move_lane
from unenroll.postgres.ledger import known_dead_letters, save_dead_letters, save_ledger
from unenroll.postgres.outbox import pack
from unenroll.postgres.pool import Connection, transaction
from unenroll.telemetry.state import StepTimer, StepTiming
from unenroll.wire.decode import Received
from unenroll.wire.topics import Message, Topic
from unenroll.worker.batch import Batch, gather_state, sift
from unenroll.worker.fold import AccountFold
from unenroll.worker.numbering import DecisionNumbering, NumberedDecisions, Tally, Told, digests

_AT_ONCE = 2
_SMALL = 50
_EVENTS_IN_A_TURN = 20  # an account may be large


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchResult:
    """What a batch decided: the lane behind it, what is to be published, and what became of the records.

    `told` are those that were not done before, `laps` the times that it took.
    """

    lane: LaneRow
    messages: tuple[Message, ...]
    tallies: Mapping[Tally, int]
    told: tuple[Told, ...]
    laps: tuple[StepTiming, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many of each kind there were, whatever their topic."""
        counts: Counter[str] = Counter()
        for (_, done, word), count in self.tallies.items():
            counts[word or done] += count
        return counts


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchTransaction:
    """What every batch of a worker needs. `limits` has the most bytes of a message by topic word.

    However many lanes there are, two of them decide large batches at a time: one computes while Postgres works for the
    other, and no more than two crowds of accounts are in memory. Small batches wait for nobody.
    """

    pool: asyncpg.Pool
    cache: DefinitionCache
    limits: Mapping[str, int]
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def decide(self, lane: LaneRow, batch: Batch) -> BatchResult:
        """Decide the batch, which begins where the lane stands.

        Raises OutageError (nothing happened, try again), RefusedError (nothing happened, a record is to blame),
        LaneLostError (open the lane again) and SetupError.
        """
        try:
            return await self._decide(lane, batch)
        except OvertakenError:  # by a lane that met the same event or new account: now it is known
            return await self._decide(lane, batch)

    async def _decide(self, lane: LaneRow, batch: Batch) -> BatchResult:
        async with self._turn(batch):
            return await self._transact(lane, batch)

    async def _transact(self, lane: LaneRow, batch: Batch) -> BatchResult:
        laps = StepTimer()
        async with transaction(self.pool) as connection:
            await hold_lane(connection, lane)
            decided_at = datetime.now(UTC)
            contents = await sift(connection, batch.readings)
            received = [content for content in contents if isinstance(content, Received)]
            gathered = await gather_state(connection, received, self.cache)
            laps.end("gather")
            fold = AccountFold(gathered=gathered, decided_at=decided_at, limits=self.limits)
            fates = await yielding(fold.take, contents, at_once=_EVENTS_IN_A_TURN)
            numbering = DecisionNumbering(
                lane=lane,
                buried=(await known_dead_letters(connection, digests(batch.readings, fates))).keys(),
                most_bytes=self.limits[Topic.DEAD_LETTERS],
                decided_at=decided_at,
            )
            numbered = numbering.number(batch.readings, fates)
            moved = replace(lane, sequence=numbered.sequence, positions=batch.ends)
            laps.end("settle")
            await save_accounts(connection, fold.changed(), now=decided_at)
            await _save(connection, moved, numbered, first_sequence=lane.sequence + 1)
        laps.end("save")
        return BatchResult(
            lane=moved,
            messages=tuple(numbered.messages),
            tallies=numbered.tallies,
            told=tuple(numbered.told),
            laps=laps.all(),
        )

    def _turn(self, batch: Batch) -> AbstractAsyncContextManager[None]:
        return self._turns if len(batch.readings) > _SMALL else nullcontext()


async def _save(connection: Connection, lane: LaneRow, numbered: NumberedDecisions, *, first_sequence: int) -> None:
    await save_ledger(connection, numbered.ledger)
    await save_dead_letters(connection, numbered.dead)
    publication = None
    if numbered.messages:
        publication = PendingBatch(first_sequence, pack(numbered.messages), numbered.decided_at)
    await move_lane(connection, lane, publication)
