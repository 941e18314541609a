"""Redrive or park the dead letters that a filter selects."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from unenroll.errors import LaneLostError, OutageError, Server
from unenroll.kafka.admin import KafkaAdmin, KafkaTopic
from unenroll.kafka.topics import INPUTS, batch_limits, existing_topics
from unenroll.ops.dlq.list import LetterSummary, letter_key, letter_state, letter_summary
from unenroll.ops.dlq.read import FoundLetter, LetterChunks, LetterFilter, matching_letters, open_letter_reader
from unenroll.ops.dlq.rules import DecidedLetter, RecordEdit, RedriveDecision, RedriveRules
from unenroll.ops.dlq.transaction import RedriveConfig, RedriveSession
from unenroll.postgres.erasure import read_erasures
from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.ledger import LetterKey
from unenroll.postgres.pool import check_tables, open_pool
from unenroll.postgres.redrives import handled_letters, save_parked
from unenroll.settings import WorkerSettings
from unenroll.text import plural
from unenroll.wire.reasons import DeadLetter
from unenroll.worker.batch import DecodedRecord, customers_in, is_erased

_CONNECTIONS = 3
_LISTED_LETTERS = 50
_NOT_DECODED = DeadLetter(reason="dead letter", detail="")
_CHUNK_RECORDS = 500
_CHUNK_BYTES = 4 * 1024 * 1024  # a transaction has to arrive within seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class RedriveOptions:
    """Which letters to put back, and how.

    A letter that was put back `max_redrives` times is parked instead. `include_parked` also puts back parked letters.
    `by` is the operator's name. `edit` changes the record of the one letter that the filter selects.
    """

    letter_filter: LetterFilter
    by: str
    max_redrives: int
    include_parked: bool = False
    dry_run: bool = False
    edit: RecordEdit | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RedriveResult:
    """How many letters were put back, parked because they had been put back too often, and left alone (by reason).

    `letters` are the first 50 that were put back or parked. In a dry run all of this is what would happen.
    """

    dry_run: bool
    put_back: int
    parked: int
    skipped: Mapping[str, int]
    letters: tuple[LetterSummary, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ParkResult:
    """How many letters were parked (in a dry run: would be), and how many had been parked or put back before."""

    dry_run: bool
    parked: int
    before: int


async def redrive(settings: WorkerSettings, options: RedriveOptions) -> RedriveResult:
    """Put the letters back on their topics. It is safe to repeat after any error: each letter goes back once.

    Raises UnenrollError if a named letter is missing or an edited record would be a dead letter again, OutageError and
    SetupError.
    """
    cluster = KafkaAdmin(settings)
    async with open_pool(settings.database_url, connections=_CONNECTIONS) as pool:
        await check_tables(pool)
        inputs = await existing_topics(cluster, [settings.topic_prefix + topic for topic in INPUTS])
        letters = await matching_letters(await open_letter_reader(settings, cluster), options.letter_filter)
        rules = await _rules(options, cluster, inputs)
        config = RedriveConfig(
            settings=settings,
            pool=pool,
            inputs=inputs,
            limits=rules.limits,
            by=options.by,
            include_parked=options.include_parked,
        )
        try:
            async with _session(config, options) as session:
                return await _Redrive(options=options, pool=pool, rules=rules).run(letters, session)
        except (OutageError, LaneLostError) as error:
            server = error.server if isinstance(error, OutageError) else Server.POSTGRES
            message = f"{error}; run the same command again: no letter is put back twice"
            raise OutageError(message, server=server) from error


async def _rules(options: RedriveOptions, cluster: KafkaAdmin, inputs: Mapping[str, KafkaTopic]) -> RedriveRules:
    return RedriveRules(
        limits=await batch_limits(cluster, inputs),
        max_redrives=options.max_redrives,
        include_permanent=bool(options.letter_filter.positions or options.letter_filter.reasons),
        include_parked=options.include_parked,
        edit=options.edit,
    )


@asynccontextmanager
async def _session(config: RedriveConfig, options: RedriveOptions) -> AsyncIterator[RedriveSession | None]:
    """A session, or None for a dry run."""
    if options.dry_run:
        yield None
        return
    async with config.session() as session:
        yield session


@dataclass(kw_only=True, slots=True)
class _RedriveCounts:
    """The decisions, counted, and the first letters that were put back or parked."""

    decisions: Counter[RedriveDecision] = field(default_factory=Counter)
    letters: list[LetterSummary] = field(default_factory=list)

    def add(self, decision: RedriveDecision, summary: LetterSummary) -> None:
        """Count one letter."""
        self.decisions[decision] += 1
        if not _is_skipped(decision) and len(self.letters) < _LISTED_LETTERS:
            self.letters.append(summary)

    def result(self, *, dry_run: bool) -> RedriveResult:
        """Return the result of the redrive."""
        return RedriveResult(
            dry_run=dry_run,
            put_back=self.decisions[RedriveDecision.PUT_BACK],
            parked=self.decisions[RedriveDecision.TOO_OFTEN],
            skipped={one.value: count for one, count in self.decisions.items() if _is_skipped(one)},
            letters=tuple(self.letters),
        )


def _is_skipped(decision: RedriveDecision) -> bool:
    return decision not in {RedriveDecision.PUT_BACK, RedriveDecision.TOO_OFTEN}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Redrive:
    options: RedriveOptions
    pool: asyncpg.Pool
    rules: RedriveRules
    counts: _RedriveCounts = field(default_factory=_RedriveCounts)

    async def run(self, letters: LetterChunks, session: RedriveSession | None) -> RedriveResult:
        async for found in letters:
            for chunk in _transaction_chunks(found):
                await self._redrive_chunk(chunk, session)
        return self.counts.result(dry_run=self.options.dry_run)

    async def _redrive_chunk(self, chunk: Sequence[FoundLetter], session: RedriveSession | None) -> None:
        prefix = self.options.letter_filter.prefix
        letters = {letter_key(found.letter): found for found in chunk}
        handled = await handled_letters(self.pool, list(letters), topic_prefix=prefix)
        erased = await self._erased(letters)
        decided = {
            key: DecidedLetter(RedriveDecision.ERASED, one.letter.record)
            if key in erased
            else self.rules.decide(one.letter, letter_state(handled.get(key)))
            for key, one in letters.items()
        }
        if session is not None:
            await self._apply(decided, session)
        for key, (decision, _) in decided.items():
            self.counts.add(decision, letter_summary(letters[key], handled.get(key), prefix=prefix))

    async def _erased(self, letters: Mapping[LetterKey, FoundLetter]) -> set[LetterKey]:
        """Return the letters of erased customers. Putting one back would publish their data again."""
        records = {key: DecodedRecord(one.letter.record, _NOT_DECODED) for key, one in letters.items()}
        with postgres_errors():
            async with self.pool.acquire() as connection:
                erased_until = await read_erasures(connection, customers_in(list(records.values())))
        return {key for key, record in records.items() if is_erased(record, erased_until)}

    async def _apply(self, decided: Mapping[LetterKey, DecidedLetter], session: RedriveSession) -> None:
        too_often = [key for key, one in decided.items() if one.decision is RedriveDecision.TOO_OFTEN]
        if too_often:
            why = f"it was put back {plural(self.rules.max_redrives, 'time')} or more"
            await save_parked(self.pool, too_often, by=self.options.by, why=why)
        records = {key: one.record for key, one in decided.items() if one.decision is RedriveDecision.PUT_BACK}
        if records:
            await session.put_back(records)


def _transaction_chunks(letters: Sequence[FoundLetter]) -> Iterator[list[FoundLetter]]:
    """Yield the letters in chunks that fit into one transaction each."""
    chunk: list[FoundLetter] = []
    size = 0
    for found in letters:
        value_bytes = len(found.letter.record.value or b"")
        if chunk and (len(chunk) >= _CHUNK_RECORDS or size + value_bytes > _CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(found)
        size += value_bytes
    if chunk:
        yield chunk


async def park_letters(
    settings: WorkerSettings, letter_filter: LetterFilter, *, by: str, why: str, dry_run: bool
) -> ParkResult:
    """Park the open letters that match. Raises UnenrollError if a named letter is missing, OutageError, SetupError."""
    parked = before = 0
    async with open_pool(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        letters = await matching_letters(await open_letter_reader(settings, KafkaAdmin(settings)), letter_filter)
        async for chunk in letters:
            keys = {letter_key(found.letter) for found in chunk}
            if dry_run:
                changed = keys - (await handled_letters(pool, keys, topic_prefix=letter_filter.prefix)).keys()
            else:
                changed = await save_parked(pool, keys, by=by, why=why)
            parked += len(changed)
            before += len(keys) - len(changed)
    return ParkResult(dry_run=dry_run, parked=parked, before=before)
