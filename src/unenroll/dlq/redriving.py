"""Dead letters put back on their topics, from beginning to end."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from unenroll.batch.readings import Reading
from unenroll.batch.sift import is_erased, named
from unenroll.dlq.judging import Fate, Judged, Rules
from unenroll.dlq.office import Desk, Office
from unenroll.dlq.order import Redriven, RedriveOptions, Tally
from unenroll.dlq.reading import Letters, chosen, reading
from unenroll.dlq.told import key_of, state_of, told
from unenroll.dlq.wanted import Found
from unenroll.errors import LaneLostError, OutageError, Server
from unenroll.settings import WorkerSettings
from unenroll.store.connect import check_tables, connected
from unenroll.store.erased import erased_seen
from unenroll.store.letters import LetterKey, handled, park
from unenroll.store.outage import postgres_errors
from unenroll.stream.cluster import Cluster, Topic
from unenroll.stream.topics import INPUTS, batch_limits, existing_topics
from unenroll.wire.refusals import DeadLetter

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
