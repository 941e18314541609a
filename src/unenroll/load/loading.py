"""A load from beginning to end: chunk after chunk, bad lines set aside."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from unenroll.errors import OutageError
from unenroll.load.chunks import chunks
from unenroll.load.keeping import Keeping, Taken
from unenroll.ndjson.bad_lines import BadLines
from unenroll.ndjson.lines import Line
from unenroll.store.connect import check_tables, connected
from unenroll.store.definitions import DefinitionCache
from unenroll.wire.refusals import DeadLetter


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """How many lines became definitions and facts, were known already, or were bad."""

    definitions: int
    facts: int
    duplicates: int
    bad: int


async def load(lines: Iterable[Line], database_url: str, *, bad: BadLines) -> Loaded:
    """Load the lines in their order. Raises OutageError and SetupError; what was loaded by then stays loaded."""
    counts: Counter[Taken] = Counter()
    async with connected(database_url, connections=1) as pool:
        await check_tables(pool)
        keeping = Keeping(pool=pool, cache=DefinitionCache())
        for chunk in chunks(lines):
            try:
                became = await keeping.keep([entry.content for entry in chunk])
            except OutageError as outage:
                raise _given_up(outage, chunk[0].line) from outage
            for entry, taken in zip(chunk, became, strict=True):
                if isinstance(taken, DeadLetter):
                    bad.add(entry.line, taken)
                else:
                    counts[taken] += 1
    return Loaded(
        definitions=counts[Taken.DEFINITION],
        facts=counts[Taken.FACT],
        duplicates=counts[Taken.DUPLICATE],
        bad=bad.count,
    )


def _given_up(outage: OutageError, line: Line) -> OutageError:
    return OutageError(f"{outage}; gave up at line {line.number} of {line.file}: what was loaded may be loaded again")
