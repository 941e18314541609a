"""Load definitions and facts from NDJSON lines into Postgres, chunk by chunk, and collect the bad lines."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg

from unenroll.cooperative import map_in_slices
from unenroll.core.definitions import IgnoredDefinition, RefusedDefinition, TargetGroup
from unenroll.core.facts import MAX_FACTS
from unenroll.core.reasons import Reason
from unenroll.errors import BatchTooLargeError, OutageError, RefusedError
from unenroll.ops.files import LINE_TOO_LONG, MAX_LINE_BYTES, Line, LinePart
from unenroll.ops.load.accounts import ChunkAdditions, LineResult, NewFact, Verdict, gather_facts, new_fact
from unenroll.ops.progress import BadLines
from unenroll.postgres.accounts import save_accounts
from unenroll.postgres.definitions import DefinitionCache, define
from unenroll.postgres.ledger import LedgerRow, save_ledger
from unenroll.postgres.pool import check_tables, open_pool, transaction
from unenroll.wire.ndjson import LoadedFact, load_line
from unenroll.wire.reasons import DeadLetter
from unenroll.worker.backoff import retry

DEFINITION_REFUSED = "definition_refused"

MAX_CHUNK_LINES = 5_000
MAX_CHUNK_BYTES = 4 * MAX_LINE_BYTES

Content = NewFact | TargetGroup | DeadLetter


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadResult:
    """How many lines were loaded as definitions and facts, were duplicates or of erased customers, or were bad."""

    definitions: int
    facts: int
    duplicates: int
    erased: int
    bad: int


async def load(lines: Iterable[Line], database_url: str, *, bad: BadLines, max_facts: int = MAX_FACTS) -> LoadResult:
    """Load the lines in order. Raises OutageError and SetupError; the chunks before the error stay loaded."""
    async with open_pool(database_url, connections=1) as pool:
        await check_tables(pool)
        loader = _Loader(writer=ChunkWriter(pool=pool, cache=DefinitionCache(), max_facts=max_facts), bad=bad)
        parsed: Sequence[LoadLine] = ()
        for chunk in chunks(lines):  # this may wait for standard input, so no transaction is open meanwhile
            _, parsed = await asyncio.gather(loader.load(parsed), parse_chunk(chunk))
        await loader.load(parsed)
    return loader.result()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Loader:
    writer: "ChunkWriter"
    bad: BadLines
    counts: Counter[LineResult] = field(default_factory=Counter)

    async def load(self, chunk: Sequence["LoadLine"]) -> None:
        """Write the valid lines of the chunk, and collect the others as bad lines."""
        for run in runs(chunk):
            try:
                results = await self.writer.write([entry.content for entry in run])
            except OutageError as outage:
                raise _stopped(outage, run[0].line) from outage
            for entry, result in zip(run, results, strict=True):
                if isinstance(result, DeadLetter):
                    self.bad.add(entry.line, result)
                else:
                    self.counts[result] += 1

    def result(self) -> LoadResult:
        """The counts of all lines so far."""
        return LoadResult(
            definitions=self.counts[LineResult.DEFINITION],
            facts=self.counts[LineResult.FACT],
            duplicates=self.counts[LineResult.DUPLICATE],
            erased=self.counts[LineResult.ERASED],
            bad=self.bad.count,
        )


def _stopped(outage: OutageError, line: Line) -> OutageError:
    return OutageError(
        f"{outage}; stopped at line {line.number} of {line.file}: load again, lines that are loaded are skipped",
        server=outage.server,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkWriter:
    """Writes facts and definitions to Postgres."""

    pool: asyncpg.Pool
    cache: DefinitionCache
    max_facts: int

    async def write(self, contents: Sequence[Content]) -> list[LineResult | DeadLetter]:
        """Write one definition, or facts in one transaction. Raises OutageError and SetupError.

        If the accounts are too large at once, or Postgres refuses the data, writes each half alone, until it finds the
        line that Postgres refuses.
        """
        try:
            return await retry(lambda: self._write(contents))
        except (RefusedError, BatchTooLargeError) as refused:
            if len(contents) == 1:
                return [DeadLetter(reason=Reason.REFUSED_BY_DATABASE, detail=str(refused))]
        middle = len(contents) // 2
        return [*await self.write(contents[:middle]), *await self.write(contents[middle:])]

    async def _write(self, contents: Sequence[Content]) -> list[LineResult | DeadLetter]:
        first = contents[0]
        if isinstance(first, TargetGroup):
            return [await self._define(first)]
        facts = [content for content in contents if not isinstance(content, TargetGroup)]
        return [
            LineResult.FACT if isinstance(verdict, LedgerRow) else verdict for verdict in await self._add_facts(facts)
        ]

    async def _define(self, group: TargetGroup) -> LineResult | DeadLetter:
        verdict = await define(self.pool, group)
        if verdict is None:
            detail = "appends cycles for waiting accounts, which a lane has to settle: use `unenroll publish`"
            return DeadLetter(reason=Reason.BELONGS_ON_TOPIC, detail=detail)
        if isinstance(verdict, RefusedDefinition):
            return DeadLetter(reason=DEFINITION_REFUSED, detail=verdict.detail)
        return LineResult.DUPLICATE if isinstance(verdict, IgnoredDefinition) else LineResult.DEFINITION

    async def _add_facts(self, contents: Sequence[NewFact | DeadLetter]) -> list[Verdict]:
        async with transaction(self.pool) as connection:
            facts = [content for content in contents if isinstance(content, NewFact)]
            gathered = await gather_facts(connection, facts, self.cache)
            additions = ChunkAdditions(gathered=gathered, decided_at=datetime.now(UTC), max_facts=self.max_facts)
            verdicts = additions.decide(contents)
            await save_accounts(connection, additions.changed(), now=additions.decided_at)
            await save_ledger(connection, [verdict for verdict in verdicts if isinstance(verdict, LedgerRow)])
        return verdicts


class LoadLine(NamedTuple):
    """A line, or a part of one, and its parsed content."""

    line: Line
    content: Content


def chunks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """The lines in chunks that fit in memory: limited in number and in bytes."""
    chunk: list[Line] = []
    size = 0
    for line in lines:
        if chunk and (len(chunk) == MAX_CHUNK_LINES or size + len(line.content) > MAX_CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(line)
        size += len(line.content)
    if chunk:
        yield chunk


async def parse_chunk(chunk: Sequence[Line]) -> list[LoadLine]:
    """The lines, parsed. Yields to other tasks every few lines, so that a transaction can go on meanwhile."""
    return await map_in_slices(_parse_line, chunk)


def runs(chunk: Iterable[LoadLine]) -> Iterator[list[LoadLine]]:
    """The lines in order, split so that each definition is alone."""
    run: list[LoadLine] = []
    for entry in chunk:
        if isinstance(entry.content, TargetGroup):
            if run:
                yield run
            yield [entry]
            run = []
        else:
            run.append(entry)
    if run:
        yield run


def _parse_line(line: Line) -> LoadLine:
    return LoadLine(line, _content(line))


def _content(line: Line) -> Content:
    if line.part is not LinePart.WHOLE:
        return LINE_TOO_LONG
    content = load_line(line.content)
    if isinstance(content, LoadedFact):
        return new_fact(content)
    if isinstance(content, DeadLetter) and content.reason == Reason.UNKNOWN_TYPE:
        return replace(content, detail=f"{content.detail}; for requests use `unenroll publish`")
    return content
