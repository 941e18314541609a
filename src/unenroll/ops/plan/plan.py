"""A plan from beginning to end: page after page of requests, bad lines set aside."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg

from unenroll.core.definitions import Definitions
from unenroll.core.events import Event, SettlementDue
from unenroll.core.outcomes import Outcome
from unenroll.errors import UnenrollError
from unenroll.ops.files import TOO_LONG, Line, Part
from unenroll.ops.load.load import chunks
from unenroll.ops.plan.dry_run import Foreseeing, Meanwhile, shelf
from unenroll.ops.plan.file import FORMAT, Draft, Plan
from unenroll.ops.plan.lines import Prediction, Request, request_line
from unenroll.ops.plan.totals import Counting, Sample, sample
from unenroll.ops.progress import BadLines
from unenroll.postgres.definitions import DefinitionCache
from unenroll.postgres.plans import database_identity, see
from unenroll.postgres.pool import check_tables, connected
from unenroll.wire.reasons import DeadLetter, schema
from unenroll.worker.backoff import patiently
from unenroll.worker.batch import Gathered, account_of, groups_of, identity
from unenroll.worker.fold import Seen


@dataclass(kw_only=True, slots=True)
class Looking:
    """`versions` has that of each group as it was seen, None: nobody has defined it."""

    pool: asyncpg.Pool
    meanwhile: Meanwhile
    now: datetime
    versions: dict[int, int | None] = field(default_factory=dict)
    _cache: DefinitionCache = field(default_factory=DefinitionCache)

    async def foreseeing(self, requests: Sequence[Request]) -> Foreseeing:
        """All that these requests concern, as it is behind those before them.

        Raises OutageError and SetupError, and UnenrollError if a group was defined anew since it was first seen.
        """
        received = [request.received for request in requests]
        definitions = await self._defined([one.event for one in received])
        accounts = {account_of(one.event) for one in received}
        events = [identity(one) for one in received]
        foreseen = self.meanwhile.accounts(accounts)
        untouched = accounts - foreseen.keys()
        seen = await patiently(lambda: see(self.pool, accounts=untouched, events=events))
        gathered = Gathered(
            definitions=definitions,
            accounts=seen.accounts | {key: one.account for key, one in foreseen.items()},
            known=self.meanwhile.known(events) | seen.known,
        )
        return Foreseeing(
            gathered=gathered, erased=seen.erased, last={key: one.last for key, one in foreseen.items()}, now=self.now
        )

    @property
    def definitions(self) -> Definitions:
        """All that were seen."""
        return self._cache.known

    async def _defined(self, events: Sequence[Event | SettlementDue]) -> Definitions:
        groups, targets = groups_of(events), {event.target_id for event in events}
        await patiently(lambda: self._cache.look(self.pool, group_ids=groups, target_ids=targets))
        self._hold_versions(groups)
        return self.definitions

    def _hold_versions(self, named: Iterable[int]) -> None:
        groups = self.definitions.groups
        now = {group_id: group.version if (group := groups.get(group_id)) else None for group_id in {*named, *groups}}
        for group_id, version in now.items():
            if self.versions.setdefault(group_id, version) != version:
                raise UnenrollError(f"target group {group_id} was defined anew meanwhile; plan again")


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
