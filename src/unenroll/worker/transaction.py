"""Decides a batch in one Postgres transaction: gather the state, decide, save."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import perf_counter

import asyncpg

from unenroll.cooperative import map_in_slices
from unenroll.errors import OvertakenError
from unenroll.kafka.admin import TopicPartitionNumber
from unenroll.kafka.committed_offsets import metadata
from unenroll.postgres.accounts import save_accounts
from unenroll.postgres.definitions import DefinitionCache
from unenroll.postgres.lanes import LaneRow, PendingBatch, lock_lane, move_lane
from unenroll.postgres.ledger import known_dead_letters, save_dead_letters, save_ledger
from unenroll.postgres.outbox import pack
from unenroll.postgres.pool import Connection, transaction
from unenroll.telemetry.state import StepTiming
from unenroll.wire.decode import ReceivedEvent
from unenroll.wire.topics import Message, Topic
from unenroll.worker.batch import Batch, gather_state, skip_erased
from unenroll.worker.fold import AccountFold
from unenroll.worker.numbering import DecisionNumbering, NewResult, NumberedDecisions, Tally, dead_letter_keys

_MAX_LARGE_BATCHES = 2
_SMALL_BATCH_RECORDS = 50
_EVENTS_BETWEEN_YIELDS = 20  # an account may be large


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchResult:
    """The result of a batch: the lane after it, and the messages to publish.

    `tallies` counts the records by the labels of their metric. `new_results` leaves out the skipped records. `timings`
    has the steps of the transaction.
    """

    lane: LaneRow
    messages: tuple[Message, ...]
    tallies: Mapping[Tally, int]
    new_results: tuple[NewResult, ...]
    timings: tuple[StepTiming, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of records by reason, or by outcome where there is no reason."""
        counts: Counter[str] = Counter()
        for (_, outcome, reason), count in self.tallies.items():
            counts[reason or outcome] += count
        return counts


def offsets_to_commit(lane: LaneRow) -> dict[TopicPartitionNumber, tuple[int, str]]:
    """The offsets that Kafka commits with the lane's messages; the metadata has the lane's last decision number."""
    return {
        TopicPartitionNumber(topic=position.topic, number=lane.partition): (
            position.offset,
            metadata(lane.sequence, position.topic_id),
        )
        for position in lane.positions
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchTransaction:
    """Decides the batches of all lanes of a worker. `limits` has the maximum size of a message in bytes by topic.

    At most two large batches are decided at a time: one uses the processor while Postgres works for the other, and the
    memory holds the accounts of two batches at most. Small batches do not wait.
    """

    pool: asyncpg.Pool
    cache: DefinitionCache
    limits: Mapping[str, int]
    _large_batches: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_MAX_LARGE_BATCHES))

    async def decide(self, lane: LaneRow, batch: Batch) -> BatchResult:
        """Decide and save the batch, which begins at the lane's positions.

        Raises OutageError (nothing was saved, try again), RefusedError (nothing was saved, Postgres refuses a record),
        LaneLostError (open the lane again) and SetupError.
        """
        try:
            return await self._decide(lane, batch)
        except OvertakenError:  # another lane saved the same event or new account first; now this lane finds it
            return await self._decide(lane, batch)

    async def _decide(self, lane: LaneRow, batch: Batch) -> BatchResult:
        async with self._slot(batch):
            began = perf_counter()
            async with transaction(self.pool) as connection:
                await lock_lane(connection, lane)
                decided_at = datetime.now(UTC)
                contents = await skip_erased(connection, batch.records)
                received = [content for content in contents if isinstance(content, ReceivedEvent)]
                state = await gather_state(connection, received, self.cache)
                gathered = perf_counter()
                fold = AccountFold(gathered=state, decided_at=decided_at, limits=self.limits)
                results = await map_in_slices(fold.decide_all, contents, size=_EVENTS_BETWEEN_YIELDS)
                keys = dead_letter_keys(batch.records, results)
                numbered = DecisionNumbering(
                    lane=lane,
                    old_dead_letters=(await known_dead_letters(connection, keys)).keys(),
                    max_bytes=self.limits[Topic.DEAD_LETTERS],
                    decided_at=decided_at,
                ).number(batch.records, results)
                after = replace(lane, sequence=numbered.sequence, positions=batch.ends)
                decided = perf_counter()
                await save_accounts(connection, fold.changed(), now=decided_at)
                await _save(connection, after, numbered, first_sequence=lane.sequence + 1)
            timings = (
                StepTiming("gather", began, gathered),
                StepTiming("settle", gathered, decided),
                StepTiming("save", decided, perf_counter()),
            )
        return BatchResult(
            lane=after,
            messages=tuple(numbered.messages),
            tallies=numbered.tallies,
            new_results=tuple(numbered.new_results),
            timings=timings,
        )

    def _slot(self, batch: Batch) -> AbstractAsyncContextManager[None]:
        return self._large_batches if len(batch.records) > _SMALL_BATCH_RECORDS else nullcontext()


async def _save(connection: Connection, lane: LaneRow, numbered: NumberedDecisions, *, first_sequence: int) -> None:
    await save_ledger(connection, numbered.ledger)
    await save_dead_letters(connection, numbered.dead_letters)
    publication = None
    if numbered.messages:
        publication = PendingBatch(first_sequence, pack(numbered.messages), numbered.decided_at)
    await move_lane(connection, lane, publication)
