"""A load from beginning to end: chunk after chunk, bad lines set aside."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from unenroll.errors import OutageError
from unenroll.load.additions import Taken
from unenroll.load.chunks import Entry, chunks, runs, understood
from unenroll.load.keeping import Keeping
from unenroll.ndjson.bad_lines import BadLines
from unenroll.ndjson.lines import Line
from unenroll.store.connect import check_tables, connected
from unenroll.store.definitions import DefinitionCache
from unenroll.wire.refusals import DeadLetter


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
