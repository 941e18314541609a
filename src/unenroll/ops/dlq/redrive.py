"""Dead letters put back on their topics, from beginning to end."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from unenroll.errors import LaneLostError, OutageError, Server
from unenroll.kafka.admin import KafkaAdmin, KafkaTopic
from unenroll.kafka.topics import INPUTS, batch_limits, existing_topics
from unenroll.ops.dlq.list import LetterSummary, key_of, letter_summary, state_of
from unenroll.ops.dlq.read import FoundLetter, LetterFilter, Letters, matching_letters, open_letter_reader
from unenroll.ops.dlq.rules import JudgedLetter, LetterFate, RecordEdit, RedriveRules
from unenroll.ops.dlq.transaction import RedriveConfig, RedriveSession
from unenroll.postgres.erasure import erased_seen
from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.pool import check_tables, connected
from unenroll.postgres.redrives import LetterKey, handled_letters, park
from unenroll.settings import WorkerSettings
from unenroll.wire.reasons import DeadLetter
from unenroll.worker.batch import DecodedRecord, is_erased, named

_MOST_TOLD = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class RedriveOptions:
    """What is to be put back. `most_redrives`: a letter that was put back so often is parked instead.

    `dry_run`: only tell. `even_parked`: also what somebody parked. `by`: who wants it.
    """

    wanted: LetterFilter
    by: str
    most_redrives: int
    even_parked: bool = False
    dry_run: bool = False
    edit: RecordEdit | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RedriveResult:
    """How many letters were put back, or parked because they had been put back too often, and why others were not.

    Of a dry run: would be. `letters` are the first 50 that were put back or parked.
    """

    dry_run: bool
    put_back: int
    parked: int
    left_alone: Mapping[str, int]
    letters: tuple[LetterSummary, ...]


@dataclass(kw_only=True, slots=True)
class FateCounts:
    """The fates of letters, counted as they come."""

    fates: Counter[LetterFate] = field(default_factory=Counter)
    letters: list[LetterSummary] = field(default_factory=list)

    def add(self, fate: LetterFate, one: LetterSummary) -> None:
        """One letter more."""
        self.fates[fate] += 1
        if fate in {LetterFate.PUT_BACK, LetterFate.TOO_OFTEN} and len(self.letters) < _MOST_TOLD:
            self.letters.append(one)

    def redriven(self, *, dry_run: bool) -> RedriveResult:
        """All of them together."""
        left = {
            fate.value: count
            for fate, count in self.fates.items()
            if fate not in {LetterFate.PUT_BACK, LetterFate.TOO_OFTEN}
        }
        return RedriveResult(
            dry_run=dry_run,
            put_back=self.fates[LetterFate.PUT_BACK],
            parked=self.fates[LetterFate.TOO_OFTEN],
            left_alone=left,
            letters=tuple(self.letters),
        )


_CONNECTIONS = 3
_UNREAD = DeadLetter(reason="dead letter", detail="")
_MOST_RECORDS = 500
_MOST_BYTES = 4 * 1024 * 1024  # what a transaction carries has to arrive within seconds


async def redrive(settings: WorkerSettings, order: RedriveOptions) -> RedriveResult:
    """Put the letters back. Raises UnenrollError if a letter that is named is not there, OutageError and SetupError.

    Whatever breaks it off: to do it again loses nothing and puts nothing back twice.
    """
    cluster = KafkaAdmin(settings)
    async with connected(settings.database_url, connections=_CONNECTIONS) as pool:
        await check_tables(pool)
        inputs = await existing_topics(cluster, [settings.topic_prefix + word for word in INPUTS])
        letters = await matching_letters(await open_letter_reader(settings, cluster), order.wanted)
        rules = await _rules(order, cluster, inputs)
        desk = RedriveConfig(
            settings=settings,
            pool=pool,
            inputs=inputs,
            limits=rules.limits,
            by=order.by,
            even_parked=order.even_parked,
        )
        try:
            async with _office(desk, order) as office:
                return await _Redriving(order=order, pool=pool, rules=rules).run(letters, office)
        except (OutageError, LaneLostError) as trouble:
            server = trouble.server if isinstance(trouble, OutageError) else Server.POSTGRES
            said = f"{trouble}; redrive again: what was put back is not put back twice"
            raise OutageError(said, server=server) from trouble


@asynccontextmanager
async def _office(desk: RedriveConfig, order: RedriveOptions) -> AsyncIterator[RedriveSession | None]:
    """None: nothing is to be put back for real."""
    if order.dry_run:
        yield None
        return
    async with desk.opened() as office:
        yield office


async def _rules(order: RedriveOptions, cluster: KafkaAdmin, inputs: Mapping[str, KafkaTopic]) -> RedriveRules:
    return RedriveRules(
        limits=await batch_limits(cluster, inputs),
        most_redrives=order.most_redrives,
        even_unhealing=bool(order.wanted.places or order.wanted.reasons),
        even_parked=order.even_parked,
        edit=order.edit,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Redriving:
    order: RedriveOptions
    pool: asyncpg.Pool
    rules: RedriveRules
    tally: FateCounts = field(default_factory=FateCounts)

    async def run(self, letters: Letters, office: RedriveSession | None) -> RedriveResult:
        async for some in letters:
            for chunk in _chunks(some):
                await self._chunk(chunk, office)
        return self.tally.redriven(dry_run=self.order.dry_run)

    async def _chunk(self, chunk: Sequence[FoundLetter], office: RedriveSession | None) -> None:
        prefix = self.order.wanted.prefix
        letters = {key_of(found.letter): found for found in chunk}
        known = await handled_letters(self.pool, list(letters), topic_prefix=prefix)
        gone = await self._erased(letters)
        judged = {
            key: JudgedLetter(LetterFate.ERASED, one.letter.record)
            if key in gone
            else self.rules.judge(one.letter, state_of(known.get(key)))
            for key, one in letters.items()
        }
        if office is not None:
            await self._apply(judged, office)
        for key, (fate, _) in judged.items():
            self.tally.add(fate, letter_summary(letters[key], known.get(key), prefix=prefix))

    async def _erased(self, letters: Mapping[LetterKey, FoundLetter]) -> set[LetterKey]:
        """The letters that concern customers who were erased: back on its topic, their data would live on."""
        readings = {key: DecodedRecord(one.letter.record, _UNREAD) for key, one in letters.items()}
        with postgres_errors():
            async with self.pool.acquire() as connection:
                until = await erased_seen(connection, named(list(readings.values())))
        return {key for key, reading in readings.items() if is_erased(reading, until)}

    async def _apply(self, judged: Mapping[LetterKey, JudgedLetter], office: RedriveSession) -> None:
        tired = [key for key, (fate, _) in judged.items() if fate is LetterFate.TOO_OFTEN]
        if tired:
            why = f"it was put back {self.rules.most_redrives} times or more"
            await park(self.pool, tired, by=self.order.by, why=why)
        outgoing = {key: record for key, (fate, record) in judged.items() if fate is LetterFate.PUT_BACK}
        if outgoing:
            await office.put_back(outgoing)


def _chunks(some: Sequence[FoundLetter]) -> Iterator[list[FoundLetter]]:
    """So few at a time that a transaction can carry them."""
    chunk: list[FoundLetter] = []
    size = 0
    for found in some:
        more = len(found.letter.record.value or b"")
        if chunk and (len(chunk) >= _MOST_RECORDS or size + more > _MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(found)
        size += more
    if chunk:
        yield chunk


@dataclass(frozen=True, kw_only=True, slots=True)
class ParkResult:
    """How many letters were parked, or of a dry run would be, and how many had been parked or put back before."""

    dry_run: bool
    parked: int
    before: int


async def park_letters(
    settings: WorkerSettings, wanted: LetterFilter, *, by: str, why: str, dry_run: bool
) -> ParkResult:
    """Park the open letters. Raises UnenrollError if one that is named is not there, OutageError."""
    parked = before = 0
    async with connected(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        letters = await matching_letters(await open_letter_reader(settings, KafkaAdmin(settings)), wanted)
        async for some in letters:
            keys = {key_of(found.letter) for found in some}
            if dry_run:
                done = keys - (await handled_letters(pool, keys, topic_prefix=wanted.prefix)).keys()
            else:
                done = await park(pool, keys, by=by, why=why)
            parked += len(done)
            before += len(keys) - len(done)
    return ParkResult(dry_run=dry_run, parked=parked, before=before)
