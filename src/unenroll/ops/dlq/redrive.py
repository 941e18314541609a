"""Dead letters put back on their topics, from beginning to end."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from unenroll.errors import LaneLostError, OutageError, Server
from unenroll.kafka.admin import Cluster, Topic
from unenroll.kafka.topics import INPUTS, batch_limits, existing_topics
from unenroll.ops.dlq.list import LetterTold, key_of, state_of, told
from unenroll.ops.dlq.read import Found, Letters, Wanted, chosen, reading
from unenroll.ops.dlq.rules import Edit, Fate, Judged, Rules
from unenroll.ops.dlq.transaction import Desk, Office
from unenroll.postgres.erasure import erased_seen
from unenroll.postgres.errors import postgres_errors
from unenroll.postgres.pool import check_tables, connected
from unenroll.postgres.redrives import LetterKey, handled, park
from unenroll.settings import WorkerSettings
from unenroll.wire.reasons import DeadLetter
from unenroll.worker.batch import Reading, is_erased, named

_MOST_TOLD = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class RedriveOptions:
    """What is to be put back. `most_redrives`: a letter that was put back so often is parked instead.

    `dry_run`: only tell. `even_parked`: also what somebody parked. `by`: who wants it.
    """

    wanted: Wanted
    by: str
    most_redrives: int
    even_parked: bool = False
    dry_run: bool = False
    edit: Edit | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Redriven:
    """How many letters were put back, or parked because they had been put back too often, and why others were not.

    Of a dry run: would be. `letters` are the first 50 that were put back or parked.
    """

    dry_run: bool
    put_back: int
    parked: int
    left_alone: Mapping[str, int]
    letters: tuple[LetterTold, ...]


@dataclass(kw_only=True, slots=True)
class Tally:
    """The fates of letters, counted as they come."""

    fates: Counter[Fate] = field(default_factory=Counter)
    letters: list[LetterTold] = field(default_factory=list)

    def add(self, fate: Fate, one: LetterTold) -> None:
        """One letter more."""
        self.fates[fate] += 1
        if fate in {Fate.PUT_BACK, Fate.TOO_OFTEN} and len(self.letters) < _MOST_TOLD:
            self.letters.append(one)

    def redriven(self, *, dry_run: bool) -> Redriven:
        """All of them together."""
        left = {fate.value: count for fate, count in self.fates.items() if fate not in {Fate.PUT_BACK, Fate.TOO_OFTEN}}
        return Redriven(
            dry_run=dry_run,
            put_back=self.fates[Fate.PUT_BACK],
            parked=self.fates[Fate.TOO_OFTEN],
            left_alone=left,
            letters=tuple(self.letters),
        )


_CONNECTIONS = 3
_UNREAD = DeadLetter(reason="dead letter", detail="")
_MOST_RECORDS = 500
_MOST_BYTES = 4 * 1024 * 1024  # what a transaction carries has to arrive within seconds


async def redrive(settings: WorkerSettings, order: RedriveOptions) -> Redriven:
    """Put the letters back. Raises UnenrollError if a letter that is named is not there, OutageError and SetupError.

    Whatever breaks it off: to do it again loses nothing and puts nothing back twice.
    """
    cluster = Cluster(settings)
    async with connected(settings.database_url, connections=_CONNECTIONS) as pool:
        await check_tables(pool)
        inputs = await existing_topics(cluster, [settings.topic_prefix + word for word in INPUTS])
        letters = await chosen(await reading(settings, cluster), order.wanted)
        rules = await _rules(order, cluster, inputs)
        desk = Desk(
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
async def _office(desk: Desk, order: RedriveOptions) -> AsyncIterator[Office | None]:
    """None: nothing is to be put back for real."""
    if order.dry_run:
        yield None
        return
    async with desk.opened() as office:
        yield office


async def _rules(order: RedriveOptions, cluster: Cluster, inputs: Mapping[str, Topic]) -> Rules:
    return Rules(
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
    rules: Rules
    tally: Tally = field(default_factory=Tally)

    async def run(self, letters: Letters, office: Office | None) -> Redriven:
        async for some in letters:
            for chunk in _chunks(some):
                await self._chunk(chunk, office)
        return self.tally.redriven(dry_run=self.order.dry_run)

    async def _chunk(self, chunk: Sequence[Found], office: Office | None) -> None:
        prefix = self.order.wanted.prefix
        letters = {key_of(found.letter): found for found in chunk}
        known = await handled(self.pool, list(letters), topic_prefix=prefix)
        gone = await self._erased(letters)
        judged = {
            key: Judged(Fate.ERASED, one.letter.record)
            if key in gone
            else self.rules.judge(one.letter, state_of(known.get(key)))
            for key, one in letters.items()
        }
        if office is not None:
            await self._apply(judged, office)
        for key, (fate, _) in judged.items():
            self.tally.add(fate, told(letters[key], known.get(key), prefix=prefix))

    async def _erased(self, letters: Mapping[LetterKey, Found]) -> set[LetterKey]:
        """The letters that concern customers who were erased: back on its topic, their data would live on."""
        readings = {key: Reading(one.letter.record, _UNREAD) for key, one in letters.items()}
        with postgres_errors():
            async with self.pool.acquire() as connection:
                until = await erased_seen(connection, named(list(readings.values())))
        return {key for key, reading in readings.items() if is_erased(reading, until)}

    async def _apply(self, judged: Mapping[LetterKey, Judged], office: Office) -> None:
        tired = [key for key, (fate, _) in judged.items() if fate is Fate.TOO_OFTEN]
        if tired:
            why = f"it was put back {self.rules.most_redrives} times or more"
            await park(self.pool, tired, by=self.order.by, why=why)
        outgoing = {key: record for key, (fate, record) in judged.items() if fate is Fate.PUT_BACK}
        if outgoing:
            await office.put_back(outgoing)


def _chunks(some: Sequence[Found]) -> Iterator[list[Found]]:
    """So few at a time that a transaction can carry them."""
    chunk: list[Found] = []
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
class Parked:
    """How many letters were parked, or of a dry run would be, and how many had been parked or put back before."""

    dry_run: bool
    parked: int
    before: int


async def park_letters(settings: WorkerSettings, wanted: Wanted, *, by: str, why: str, dry_run: bool) -> Parked:
    """Park the open letters. Raises UnenrollError if one that is named is not there, OutageError."""
    parked = before = 0
    async with connected(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        letters = await chosen(await reading(settings, Cluster(settings)), wanted)
        async for some in letters:
            keys = {key_of(found.letter) for found in some}
            if dry_run:
                done = keys - (await handled(pool, keys, topic_prefix=wanted.prefix)).keys()
            else:
                done = await park(pool, keys, by=by, why=why)
            parked += len(done)
            before += len(keys) - len(done)
    return Parked(dry_run=dry_run, parked=parked, before=before)
