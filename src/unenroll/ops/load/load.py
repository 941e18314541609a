"""A load from beginning to end: chunk after chunk, bad lines set aside."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg

from unenroll.cooperative import yielding
from unenroll.core.definitions import Ignored, RefusedDefinition, TargetGroup
from unenroll.errors import OutageError, RefusedError
from unenroll.ops.files import LONGEST, TOO_LONG, Line, LinePart
from unenroll.ops.load.accounts import ChunkAdditions, LineResult, NewFact, Verdict, fact, gather_facts
from unenroll.ops.progress import BadLines
from unenroll.postgres.accounts import save_accounts
from unenroll.postgres.definitions import AwaitedVersion, DefinitionCache, define
from unenroll.postgres.ledger import LedgerRow, save_ledger
from unenroll.postgres.pool import check_tables, connected, transaction
from unenroll.wire.ndjson import LoadedFact, load_line
from unenroll.wire.reasons import DeadLetter, Reason
from unenroll.worker.backoff import retried

DEFINITION_REFUSED = "definition_refused"

Content = NewFact | TargetGroup | DeadLetter


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadContext:
    """What all chunks of a load share."""

    pool: asyncpg.Pool
    cache: DefinitionCache

    async def keep(self, contents: Sequence[Content]) -> list[LineResult | DeadLetter]:
        """What becomes of each: what the database refuses is found by halves. Raises OutageError and SetupError."""
        try:
            return await retried(lambda: self._once(contents))
        except RefusedError as refused:
            if len(contents) == 1:
                return [DeadLetter(reason=Reason.REFUSED_BY_DATABASE, detail=str(refused))]
        middle = len(contents) // 2
        return [*await self.keep(contents[:middle]), *await self.keep(contents[middle:])]

    async def _once(self, contents: Sequence[Content]) -> list[LineResult | DeadLetter]:
        first = contents[0]
        if isinstance(first, TargetGroup):
            return [await self._define(first)]
        facts = [content for content in contents if not isinstance(content, TargetGroup)]
        return [_taken(verdict) for verdict in await self._add(facts)]

    async def _define(self, group: TargetGroup) -> LineResult | DeadLetter:
        verdict = await define(self.pool, group)
        if isinstance(verdict, AwaitedVersion):
            detail = f"{verdict.accounts} accounts wait for the cycles that it appends: use `unenroll publish`"
            return DeadLetter(reason=Reason.BELONGS_ON_TOPIC, detail=detail)
        if isinstance(verdict, RefusedDefinition):
            return DeadLetter(reason=DEFINITION_REFUSED, detail=verdict.detail)
        return LineResult.DUPLICATE if isinstance(verdict, Ignored) else LineResult.DEFINITION

    async def _add(self, contents: Sequence[NewFact | DeadLetter]) -> list[Verdict]:
        async with transaction(self.pool) as connection:
            facts = [content for content in contents if isinstance(content, NewFact)]
            gathered = await gather_facts(connection, facts, self.cache)
            additions = ChunkAdditions(gathered=gathered, decided_at=datetime.now(UTC))
            verdicts = additions.take(contents)
            await save_accounts(connection, additions.changed(), now=additions.decided_at)
            await save_ledger(connection, [verdict for verdict in verdicts if isinstance(verdict, LedgerRow)])
        return verdicts


def _taken(verdict: Verdict) -> LineResult | DeadLetter:
    return LineResult.FACT if isinstance(verdict, LedgerRow) else verdict


MOST_LINES = 5_000
MOST_BYTES = 4 * LONGEST
_LINES_IN_A_TURN = 50  # some milliseconds


class LoadLine(NamedTuple):
    """A line, or a part of one, and what it says."""

    line: Line
    content: NewFact | TargetGroup | DeadLetter


def chunks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """The lines, so many or so large as may be in memory at once."""
    chunk: list[Line] = []
    size = 0
    for line in lines:
        if chunk and (len(chunk) == MOST_LINES or size + len(line.content) > MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(line)
        size += len(line.content)
    if chunk:
        yield chunk


async def parse_line(chunk: Sequence[Line]) -> list[LoadLine]:
    """What the lines say. Whoever waits for an answer of Postgres meanwhile gets a turn now and then."""
    return await yielding(_entries, chunk, at_once=_LINES_IN_A_TURN)


def runs(entries: Iterable[LoadLine]) -> Iterator[list[LoadLine]]:
    """The entries, each definition by itself."""
    run: list[LoadLine] = []
    for entry in entries:
        if isinstance(entry.content, TargetGroup):
            if run:
                yield run
            yield [entry]
            run = []
        else:
            run.append(entry)
    if run:
        yield run


def _entries(lines: Iterable[Line]) -> list[LoadLine]:
    return [LoadLine(line, _content(line)) for line in lines]


def _content(line: Line) -> NewFact | TargetGroup | DeadLetter:
    if line.part is not LinePart.WHOLE:
        return TOO_LONG
    content = load_line(line.content)
    if isinstance(content, LoadedFact):
        return fact(content)
    if isinstance(content, DeadLetter) and content.reason == Reason.UNKNOWN_TYPE:
        return replace(content, detail=f"{content.detail}; requests belong on their topic: use `unenroll publish`")
    return content


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadResult:
    """How many lines became definitions and facts, were known already, told of who was erased since, or were bad."""

    definitions: int
    facts: int
    duplicates: int
    erased: int
    bad: int


async def load(lines: Iterable[Line], database_url: str, *, bad: BadLines) -> LoadResult:
    """Load the lines in their order. Raises OutageError and SetupError; what was loaded by then stays loaded."""
    async with connected(database_url, connections=1) as pool:
        await check_tables(pool)
        loading = _Loading(keeping=LoadContext(pool=pool, cache=DefinitionCache()), bad=bad)
        entries: Sequence[LoadLine] = ()
        for chunk in chunks(lines):  # this may wait for whoever writes them, so nothing is locked meanwhile
            _, entries = await asyncio.gather(loading.keep(entries), parse_line(chunk))
        await loading.keep(entries)
    return loading.loaded()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Loading:
    keeping: LoadContext
    bad: BadLines
    counts: Counter[LineResult] = field(default_factory=Counter)

    async def keep(self, entries: Sequence[LoadLine]) -> None:
        """Keep what is in order, and set the rest aside."""
        for run in runs(entries):
            try:
                became = await self.keeping.keep([entry.content for entry in run])
            except OutageError as outage:
                raise _given_up(outage, run[0].line) from outage
            for entry, taken in zip(run, became, strict=True):
                if isinstance(taken, DeadLetter):
                    self.bad.add(entry.line, taken)
                else:
                    self.counts[taken] += 1

    def loaded(self) -> LoadResult:
        """What became of all lines up to now."""
        return LoadResult(
            definitions=self.counts[LineResult.DEFINITION],
            facts=self.counts[LineResult.FACT],
            duplicates=self.counts[LineResult.DUPLICATE],
            erased=self.counts[LineResult.ERASED],
            bad=self.bad.count,
        )


def _given_up(outage: OutageError, line: Line) -> OutageError:
    return OutageError(
        f"{outage}; gave up at line {line.number} of {line.file}: what was loaded may be loaded again",
        server=outage.server,
    )
