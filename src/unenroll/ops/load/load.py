"""A load from beginning to end: chunk after chunk, bad lines set aside."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg

from unenroll.cooperative import in_turns
from unenroll.core.definitions import Group, Ignored, RefusedDefinition
from unenroll.errors import OutageError, RefusedError
from unenroll.ops.files import LONGEST, TOO_LONG, Line, Part
from unenroll.ops.load.accounts import Additions, Fact, Taken, Verdict, fact, gather
from unenroll.ops.progress import BadLines
from unenroll.postgres.accounts import save_accounts
from unenroll.postgres.definitions import Awaited, DefinitionCache, define
from unenroll.postgres.ledger import LedgerRow, save_ledger
from unenroll.postgres.pool import check_tables, connected, transaction
from unenroll.wire.ndjson import LoadedFact, load_line
from unenroll.wire.reasons import DeadLetter, Reason
from unenroll.worker.backoff import patiently

DEFINITION_REFUSED = "definition_refused"

Content = Fact | Group | DeadLetter


@dataclass(frozen=True, kw_only=True, slots=True)
class Keeping:
    """What all chunks of a load share."""

    pool: asyncpg.Pool
    cache: DefinitionCache

    async def keep(self, contents: Sequence[Content]) -> list[Taken | DeadLetter]:
        """What becomes of each: what the database refuses is found by halves. Raises OutageError and SetupError."""
        try:
            return await patiently(lambda: self._once(contents))
        except RefusedError as refused:
            if len(contents) == 1:
                return [DeadLetter(reason=Reason.REFUSED_BY_DATABASE, detail=str(refused))]
        middle = len(contents) // 2
        return [*await self.keep(contents[:middle]), *await self.keep(contents[middle:])]

    async def _once(self, contents: Sequence[Content]) -> list[Taken | DeadLetter]:
        first = contents[0]
        if isinstance(first, Group):
            return [await self._define(first)]
        facts = [content for content in contents if not isinstance(content, Group)]
        return [_taken(verdict) for verdict in await self._add(facts)]

    async def _define(self, group: Group) -> Taken | DeadLetter:
        verdict = await define(self.pool, group)
        if isinstance(verdict, Awaited):
            detail = f"{verdict.accounts} accounts wait for the cycles that it appends: use `unenroll publish`"
            return DeadLetter(reason=Reason.BELONGS_ON_TOPIC, detail=detail)
        if isinstance(verdict, RefusedDefinition):
            return DeadLetter(reason=DEFINITION_REFUSED, detail=verdict.detail)
        return Taken.DUPLICATE if isinstance(verdict, Ignored) else Taken.DEFINITION

    async def _add(self, contents: Sequence[Fact | DeadLetter]) -> list[Verdict]:
        async with transaction(self.pool) as connection:
            facts = [content for content in contents if isinstance(content, Fact)]
            gathered = await gather(connection, facts, self.cache)
            additions = Additions(gathered=gathered, decided_at=datetime.now(UTC))
            verdicts = additions.take(contents)
            await save_accounts(connection, additions.changed(), now=additions.decided_at)
            await save_ledger(connection, [verdict for verdict in verdicts if isinstance(verdict, LedgerRow)])
        return verdicts


def _taken(verdict: Verdict) -> Taken | DeadLetter:
    return Taken.FACT if isinstance(verdict, LedgerRow) else verdict


MOST_LINES = 5_000
MOST_BYTES = 4 * LONGEST
_LINES_IN_A_TURN = 50  # some milliseconds


class Entry(NamedTuple):
    """A line, or a part of one, and what it says."""

    line: Line
    content: Fact | Group | DeadLetter


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


async def understood(chunk: Sequence[Line]) -> list[Entry]:
    """What the lines say. Whoever waits for an answer of Postgres meanwhile gets a turn now and then."""
    return await in_turns(_entries, chunk, at_once=_LINES_IN_A_TURN)


def runs(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries, each definition by itself."""
    run: list[Entry] = []
    for entry in entries:
        if isinstance(entry.content, Group):
            if run:
                yield run
            yield [entry]
            run = []
        else:
            run.append(entry)
    if run:
        yield run


def _entries(lines: Iterable[Line]) -> list[Entry]:
    return [Entry(line, _content(line)) for line in lines]


def _content(line: Line) -> Fact | Group | DeadLetter:
    if line.part is not Part.WHOLE:
        return TOO_LONG
    content = load_line(line.content)
    if isinstance(content, LoadedFact):
        return fact(content)
    if isinstance(content, DeadLetter) and content.reason == Reason.UNKNOWN_TYPE:
        return replace(content, detail=f"{content.detail}; requests belong on their topic: use `unenroll publish`")
    return content


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """How many lines became definitions and facts, were known already, told of who was erased since, or were bad."""

    definitions: int
    facts: int
    duplicates: int
    erased: int
    bad: int


async def load(lines: Iterable[Line], database_url: str, *, bad: BadLines) -> Loaded:
    """Load the lines in their order. Raises OutageError and SetupError; what was loaded by then stays loaded."""
    async with connected(database_url, connections=1) as pool:
        await check_tables(pool)
        loading = _Loading(keeping=Keeping(pool=pool, cache=DefinitionCache()), bad=bad)
        entries: Sequence[Entry] = ()
        for chunk in chunks(lines):  # this may wait for whoever writes them, so nothing is locked meanwhile
            _, entries = await asyncio.gather(loading.keep(entries), understood(chunk))
        await loading.keep(entries)
    return loading.loaded()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Loading:
    keeping: Keeping
    bad: BadLines
    counts: Counter[Taken] = field(default_factory=Counter)

    async def keep(self, entries: Sequence[Entry]) -> None:
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

    def loaded(self) -> Loaded:
        """What became of all lines up to now."""
        return Loaded(
            definitions=self.counts[Taken.DEFINITION],
            facts=self.counts[Taken.FACT],
            duplicates=self.counts[Taken.DUPLICATE],
            erased=self.counts[Taken.ERASED],
            bad=self.bad.count,
        )


def _given_up(outage: OutageError, line: Line) -> OutageError:
    return OutageError(
        f"{outage}; gave up at line {line.number} of {line.file}: what was loaded may be loaded again",
        server=outage.server,
    )
