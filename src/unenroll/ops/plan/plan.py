"""A plan from beginning to end: page after page of requests, bad lines set aside."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg

from unenroll.core.definitions import DefinitionSet
from unenroll.core.events import Event, SettlementDue
from unenroll.core.outcomes import Outcome
from unenroll.errors import UnenrollError
from unenroll.ops.files import TOO_LONG, Line, LinePart
from unenroll.ops.load.load import chunks
from unenroll.ops.plan.dry_run import DryRun, PlannedState, spill_store
from unenroll.ops.plan.file import FORMAT, Plan, PlanDraft
from unenroll.ops.plan.lines import PlannedEvent, Prediction, request_line
from unenroll.ops.plan.totals import RequestSample, TotalsCounter, sample
from unenroll.ops.progress import BadLines
from unenroll.postgres.definitions import DefinitionCache
from unenroll.postgres.plans import account_snapshot, database_identity
from unenroll.postgres.pool import check_tables, connected
from unenroll.wire.reasons import DeadLetter, schema
from unenroll.worker.backoff import retried
from unenroll.worker.batch import GatheredState, Skipped, account_of, groups_of, identity


@dataclass(kw_only=True, slots=True)
class PlanReader:
    """`versions` has that of each group as it was seen, None: nobody has defined it."""

    pool: asyncpg.Pool
    meanwhile: PlannedState
    now: datetime
    versions: dict[int, int | None] = field(default_factory=dict)
    _cache: DefinitionCache = field(default_factory=DefinitionCache)

    async def foreseeing(self, requests: Sequence[PlannedEvent]) -> DryRun:
        """All that these requests concern, as it is behind those before them.

        Raises OutageError and SetupError, and UnenrollError if a group was defined anew since it was first seen.
        """
        received = [request.received for request in requests]
        definitions = await self._defined([one.event for one in received])
        accounts = {account_of(one.event) for one in received}
        events = [identity(one) for one in received]
        foreseen = self.meanwhile.accounts(accounts)
        untouched = accounts - foreseen.keys()
        seen = await retried(lambda: account_snapshot(self.pool, accounts=untouched, events=events))
        gathered = GatheredState(
            definitions=definitions,
            accounts=seen.accounts | {key: one.account for key, one in foreseen.items()},
            known=self.meanwhile.known(events) | seen.known,
        )
        return DryRun(
            gathered=gathered, erased=seen.erased, last={key: one.last for key, one in foreseen.items()}, now=self.now
        )

    @property
    def definitions(self) -> DefinitionSet:
        """All that were seen."""
        return self._cache.known

    async def _defined(self, events: Sequence[Event | SettlementDue]) -> DefinitionSet:
        groups, targets = groups_of(events), {event.target_id for event in events}
        await retried(lambda: self._cache.look(self.pool, group_ids=groups, target_ids=targets))
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


class MadePlan(NamedTuple):
    """The plan of all requests, and the first of those that are granted and of those that are refused."""

    plan: Plan
    granted: tuple[RequestSample, ...]
    refused: tuple[RequestSample, ...]
    known_already: int


async def make_plan(lines: Iterable[Line], database_url: str, *, bad: BadLines, draft: PlanDraft) -> MadePlan:
    """Plan the requests in their order, each on top of those before it. Changes and locks nothing.

    Raises OutageError and SetupError, and UnenrollError if a group is defined anew meanwhile.
    """
    async with connected(database_url, connections=1) as pool:
        await check_tables(pool)
        created_at, database = datetime.now(UTC), await database_identity(pool)
        with spill_store() as kept:
            looking = PlanReader(pool=pool, meanwhile=PlannedState(kept), now=created_at)
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
    return MadePlan(plan, tuple(planning.granted), tuple(planning.refused), planning.known_already)


@dataclass(kw_only=True, slots=True)
class _Planning:
    looking: PlanReader
    bad: BadLines
    draft: PlanDraft
    counting: TotalsCounter = field(default_factory=TotalsCounter)
    granted: list[RequestSample] = field(default_factory=list)
    refused: list[RequestSample] = field(default_factory=list)
    known_already: int = 0

    async def page(self, page: Sequence[Line]) -> None:
        """Plan the requests of these lines."""
        said = [(line, _request(line)) for line in page]
        foreseeing = await self.looking.foreseeing(
            [request for _, request in said if isinstance(request, PlannedEvent)]
        )
        for line, request in said:
            if isinstance(request, PlannedEvent):
                self._plan(line, request, foreseeing)
            else:
                self.bad.add(line, request)
        for foreseen in foreseeing.moved():
            self.looking.meanwhile.learn(foreseen, now=self.looking.now)

    def _plan(self, line: Line, request: PlannedEvent, foreseeing: DryRun) -> None:
        entry = foreseeing.foresee(request)
        if isinstance(entry, DeadLetter):
            self.bad.add(line, entry)
        elif entry is Skipped.ERASED:
            self.bad.add(line, _ERASED)
        elif isinstance(entry, Skipped):
            self.known_already += 1
        else:
            self.draft.add(entry.line)
            self.counting.count(entry.predicted)
            self.looking.meanwhile.learn_of(entry.key, entry.content)
            self._show(request, entry.predicted)

    def _show(self, request: PlannedEvent, predicted: Prediction) -> None:
        shown = self.granted if predicted.outcome is Outcome.UNENROLLED else self.refused
        if len(shown) < MOST_SAMPLES:
            shown.append(sample(request, predicted))


def _request(line: Line) -> PlannedEvent | DeadLetter:
    if line.part is not LinePart.WHOLE:
        return TOO_LONG
    request = request_line(line.content)
    if isinstance(request, PlannedEvent) and request.expects:
        return schema("data.expected", "is for the plan to say")
    return request
