"""A plan from beginning to end: page after page of requests, bad lines set aside."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from unenroll.batch.fold import Seen
from unenroll.core.outcomes import Outcome
from unenroll.load.chunks import chunks
from unenroll.ndjson.bad_lines import BadLines
from unenroll.ndjson.lines import TOO_LONG, Line, Part
from unenroll.plan.file import FORMAT, Draft, Plan
from unenroll.plan.foreseeing import Foreseeing
from unenroll.plan.looking import Looking
from unenroll.plan.meanwhile import Meanwhile
from unenroll.plan.samples import Sample, sample
from unenroll.plan.shelf import shelf
from unenroll.plan.totals import Counting
from unenroll.store.connect import check_tables, connected
from unenroll.store.plans import database_identity
from unenroll.wire.planned import Prediction, Request, request_line
from unenroll.wire.refusals import DeadLetter, schema

MOST_REQUESTS = 500
MOST_SAMPLES = 20
_ERASED = DeadLetter(reason="customer_erased", detail="the customer was erased since it happened: no lane takes it")


class Made(NamedTuple):
    """The plan of all requests, and the first of those that are granted and of those that are refused."""

    plan: Plan
    granted: tuple[Sample, ...]
    refused: tuple[Sample, ...]
    known_already: int


async def make(lines: Iterable[Line], database_url: str, *, bad: BadLines, draft: Draft) -> Made:
    """Plan the requests in their order, each on top of those before it. Changes and locks nothing.

    Raises OutageError and SetupError, and UnenrollError if a group is defined anew meanwhile.
    """
    async with connected(database_url, connections=1) as pool:
        await check_tables(pool)
        created_at, database = datetime.now(UTC), await database_identity(pool)
        with shelf() as kept:
            looking = Looking(pool=pool, meanwhile=Meanwhile(kept), now=created_at)
            planning = _Planning(looking=looking, bad=bad, draft=draft)
            for chunk in chunks(lines):
                for begin in range(0, len(chunk), MOST_REQUESTS):
                    await planning.page(chunk[begin : begin + MOST_REQUESTS])
    totals = planning.counting.totals(looking.definitions)
    plan = Plan(
        format=FORMAT,
        database=database,
        created_at=created_at,
        requests=totals.requests,
        definitions=looking.versions,
        totals=totals,
    )
    return Made(plan, tuple(planning.granted), tuple(planning.refused), planning.known_already)


@dataclass(kw_only=True, slots=True)
class _Planning:
    looking: Looking
    bad: BadLines
    draft: Draft
    counting: Counting = field(default_factory=Counting)
    granted: list[Sample] = field(default_factory=list)
    refused: list[Sample] = field(default_factory=list)
    known_already: int = 0

    async def page(self, page: Sequence[Line]) -> None:
        """Plan the requests of these lines."""
        said = [(line, _request(line)) for line in page]
        foreseeing = await self.looking.foreseeing([request for _, request in said if isinstance(request, Request)])
        for line, request in said:
            if isinstance(request, Request):
                self._plan(line, request, foreseeing)
            else:
                self.bad.add(line, request)
        for foreseen in foreseeing.moved():
            self.looking.meanwhile.learn(foreseen, now=self.looking.now)

    def _plan(self, line: Line, request: Request, foreseeing: Foreseeing) -> None:
        entry = foreseeing.foresee(request)
        if isinstance(entry, DeadLetter):
            self.bad.add(line, entry)
        elif entry is Seen.ERASED:
            self.bad.add(line, _ERASED)
        elif isinstance(entry, Seen):
            self.known_already += 1
        else:
            self.draft.add(entry.line)
            self.counting.count(entry.predicted)
            self.looking.meanwhile.learn_of(entry.key, entry.content)
            self._show(request, entry.predicted)

    def _show(self, request: Request, predicted: Prediction) -> None:
        shown = self.granted if predicted.outcome is Outcome.UNENROLLED else self.refused
        if len(shown) < MOST_SAMPLES:
            shown.append(sample(request, predicted))


def _request(line: Line) -> Request | DeadLetter:
    if line.part is not Part.WHOLE:
        return TOO_LONG
    request = request_line(line.content)
    if isinstance(request, Request) and request.expects:
        return schema("data.expected", "is for the plan to say")
    return request
