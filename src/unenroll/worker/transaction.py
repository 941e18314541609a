"""Decides a batch in one Postgres transaction: gather the state, decide, save."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import perf_counter

import asyncpg

from unenroll.core.facts import MAX_FACTS
from unenroll.errors import OvertakenError, RefusedError
from unenroll.kafka.admin import TopicPartitionNumber
from unenroll.kafka.committed_offsets import metadata
from unenroll.postgres.accounts import save_accounts
from unenroll.postgres.definitions import DefinitionCache
from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.lanes import LaneRow, PendingBatch, lock_lane, move_lane
from unenroll.postgres.ledger import known_dead_letters, save_dead_letters, save_ledger
from unenroll.postgres.outbox import pack
from unenroll.postgres.pool import Connection, transaction
from unenroll.telemetry.state import StepTiming
from unenroll.wire.decode import ReceivedEvent
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import Message, Topic, batch_bytes
from unenroll.worker.batch import Batch, DecodedRecord, RecordContent, gather_state, refused_record, skip_erased
from unenroll.worker.fold import AccountFold, FoldResult
from unenroll.worker.numbering import DecisionNumbering, NewResult, NumberedDecisions, Tally, dead_letter_keys

_MAX_LARGE_BATCHES = 2
_SMALL_BATCH_RECORDS = 50
_SECONDS_BETWEEN_YIELDS = 0.02
MAX_FOLD_SECONDS = 3.0
"""The time of computing after which a batch is cut."""

MAX_OUTPUT_BYTES = 8 * 1024 * 1024
"""The size of its messages at which a batch is cut. The last record of the batch may exceed it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchResult:
    """The result of a batch, or of its first records: the lane after them, and the messages to publish.

    `batch` has the records that were decided. `tallies` counts them by the labels of their metric. `new_results` leaves
    out the skipped records. `refused` counts the records that Postgres refused. `largest_account` has the facts of the
    largest account that changed, as a share of the maximum. `timings` has the steps of the transaction.
    """

    batch: Batch
    lane: LaneRow
    messages: tuple[Message, ...]
    tallies: Mapping[Tally, int]
    new_results: tuple[NewResult, ...]
    refused: int
    largest_account: float
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
    max_facts: int = MAX_FACTS
    _large_batches: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_MAX_LARGE_BATCHES))

    async def decide(self, lane: LaneRow, batch: Batch, *, singly: bool = False) -> BatchResult:
        """Decide and save the batch, which begins at the lane's positions, or its first records, as the limits allow.

        The limits are 3 s of computing and 8 MB of messages. `singly` saves each record by itself, within the same
        transaction; one that Postgres refuses becomes a dead letter.

        Raises OutageError (nothing was saved, try again), RefusedError (nothing was saved, Postgres refuses a record),
        LaneLostError (open the lane again) and SetupError.
        """
        try:
            return await self._decide(lane, batch, singly=singly)
        except OvertakenError:  # another lane saved the same event or new account first; now this lane finds it
            return await self._decide(lane, batch, singly=singly)

    async def _decide(self, lane: LaneRow, batch: Batch, *, singly: bool) -> BatchResult:
        async with self._slot(batch):
            began = perf_counter()
            async with transaction(self.pool) as connection:
                await lock_lane(connection, lane)
                step = BatchStep(connection=connection, lane=lane, transaction=self)
                count = await (step.decide_singly if singly else step.decide)(batch.records)
                decided = batch.first(count, lane.positions)
                numbered = step.numbered
                after = replace(lane, sequence=numbered.sequence, positions=decided.ends)
                publication = None
                if numbered.messages:
                    publication = PendingBatch(lane.sequence + 1, pack(numbered.messages), numbered.decided_at)
                await move_lane(connection, after, publication)
            timings = step.timings(began)
        return BatchResult(
            batch=decided,
            lane=after,
            messages=tuple(numbered.messages),
            tallies=numbered.tallies,
            new_results=tuple(numbered.new_results),
            refused=step.refused,
            largest_account=step.largest_account / self.max_facts,
            timings=timings,
        )

    def _slot(self, batch: Batch) -> AbstractAsyncContextManager[None]:
        return self._large_batches if len(batch.records) > _SMALL_BATCH_RECORDS else nullcontext()


@dataclass(kw_only=True, slots=True)
class BatchStep:
    """Decides the records of one transaction and saves the decisions, all together or one after the other.

    `numbered` has the decisions so far, `refused` counts the records that Postgres refused.
    """

    connection: Connection
    lane: LaneRow
    transaction: BatchTransaction
    decided_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    numbered: NumberedDecisions = field(init=False)
    refused: int = 0
    largest_account: int = 0
    _output_bytes: int = 0
    _ends: float | None = None
    _gathered: float = 0.0
    _folded: float = 0.0

    def __post_init__(self) -> None:
        """Start behind the last decision of the lane."""
        self.numbered = NumberedDecisions(sequence=self.lane.sequence, decided_at=self.decided_at)

    async def decide_singly(self, records: Sequence[DecodedRecord]) -> int:
        """Decide one record after the other, each in a savepoint. Returns how many were decided."""
        self._ends = perf_counter() + MAX_FOLD_SECONDS
        for count, decoded in enumerate(records):
            if count and self._is_full(self._ends):
                return count
            try:
                await self._decide_one(decoded)
            except RefusedError as refused:
                self.refused += 1
                await self._decide_one(refused_record(decoded, str(refused)))
        return len(records)

    async def _decide_one(self, decoded: DecodedRecord) -> None:
        with postgres_errors():
            async with self.connection.transaction():
                await self.decide([decoded])

    async def decide(self, records: Sequence[DecodedRecord]) -> int:
        """Decide as many of the records as the limits allow, at least one. Returns how many."""
        contents = await skip_erased(self.connection, records)
        received = [content for content in contents if isinstance(content, ReceivedEvent)]
        state = await gather_state(self.connection, received, self.transaction.cache)
        self._gathered = perf_counter()
        fold = AccountFold(
            gathered=state,
            decided_at=self.decided_at,
            limits=self.transaction.limits,
            max_facts=self.transaction.max_facts,
        )
        results = await self._fold(fold, records, contents)
        decided = records[: len(results)]
        numbered = DecisionNumbering(
            lane=replace(self.lane, sequence=self.numbered.sequence),
            old_dead_letters=(await known_dead_letters(self.connection, dead_letter_keys(decided, results))).keys(),
            max_bytes=self.transaction.limits[Topic.DEAD_LETTERS],
            decided_at=self.decided_at,
        ).number(decided, results)
        self._folded = perf_counter()
        await save_accounts(self.connection, fold.changed(), now=self.decided_at)
        await save_ledger(self.connection, numbered.ledger)
        await save_dead_letters(self.connection, numbered.dead_letters)
        self.numbered.extend(numbered)
        self.largest_account = max(self.largest_account, fold.largest_account)
        return len(decided)

    async def _fold(
        self, fold: AccountFold, records: Sequence[DecodedRecord], contents: Sequence[RecordContent]
    ) -> list[FoldResult]:
        """The results of the first records, until a limit is reached. Lets other tasks run every 20 ms."""
        results: list[FoldResult] = []
        slice_ends, before = perf_counter() + _SECONDS_BETWEEN_YIELDS, self._output_bytes
        ends = self._ends or perf_counter() + MAX_FOLD_SECONDS
        for decoded, content in zip(records, contents, strict=True):
            if fold.lacks_account(content):
                break
            result = fold.decide(content)
            results.append(result)
            if isinstance(result, DeadLetter):
                before += batch_bytes(decoded.record)
            self._output_bytes = before + fold.output_bytes
            if self._is_full(ends):
                break
            if perf_counter() >= slice_ends:
                await asyncio.sleep(0)
                slice_ends = perf_counter() + _SECONDS_BETWEEN_YIELDS
        return results

    def _is_full(self, ends: float) -> bool:
        return self._output_bytes >= MAX_OUTPUT_BYTES or perf_counter() >= ends

    def timings(self, began: float) -> tuple[StepTiming, ...]:
        """The steps of the transaction, which began at this time and has ended now. Of single records: of the last."""
        return (
            StepTiming("gather", began, self._gathered),
            StepTiming("settle", self._gathered, self._folded),
            StepTiming("save", self._folded, perf_counter()),
        )
