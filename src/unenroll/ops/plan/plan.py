"""Make a plan: predict the decisions of requests page by page, write their lines, and collect the bad lines."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg

from unenroll.core.definitions import DefinitionSet, TargetGroup
from unenroll.core.events import Event, SettlementDue
from unenroll.core.outcomes import Outcome
from unenroll.errors import UnenrollError
from unenroll.ops.files import LINE_TOO_LONG, Line, LinePart
from unenroll.ops.load.load import chunks
from unenroll.ops.plan.dry_run import DryRun, PlannedState, spill_store
from unenroll.ops.plan.file import FORMAT, Plan, PlanDraft
from unenroll.ops.plan.lines import ParsedRequest, Prediction, parse_request
from unenroll.ops.plan.totals import RequestSample, TotalsCounter, request_sample
from unenroll.ops.progress import BadLines
from unenroll.postgres.definitions import DefinitionCache
from unenroll.postgres.plans import account_snapshot, database_identity
from unenroll.postgres.pool import check_tables, open_pool
from unenroll.settings import DatabaseSettings
from unenroll.wire.reasons import DeadLetter, schema
from unenroll.worker.backoff import retry
from unenroll.worker.batch import GatheredState, Skipped, account_of, group_ids_of, identity

PAGE_REQUESTS = 500
MAX_SAMPLES = 20
_ERASED = DeadLetter(
    reason="customer_erased", detail="the customer was erased after this request, so workers ignore it"
)


class MadePlan(NamedTuple):
    """The plan, its first granted and refused requests, and how many requests were decided before."""

    plan: Plan
    granted: tuple[RequestSample, ...]
    refused: tuple[RequestSample, ...]
    known_already: int


async def make_plan(lines: Iterable[Line], settings: DatabaseSettings, *, bad: BadLines, draft: PlanDraft) -> MadePlan:
    """Plan the requests in order, each on top of those before it. Changes and locks nothing.

    Raises OutageError and SetupError, and UnenrollError if a group gets a new definition meanwhile.
    """
    async with open_pool(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        created_at, database = datetime.now(UTC), await database_identity(pool)
        with spill_store() as store:
            reader = PlanReader(
                pool=pool, planned=PlannedState(store), now=created_at, max_facts=settings.max_account_facts
            )
            planner = _Planner(reader=reader, bad=bad, draft=draft)
            for chunk in chunks(lines):
                for begin in range(0, len(chunk), PAGE_REQUESTS):
                    await planner.plan_page(chunk[begin : begin + PAGE_REQUESTS])
    totals = planner.counter.totals(reader.groups)
    plan = Plan(
        format=FORMAT,
        database=database,
        created_at=created_at,
        requests=totals.requests,
        definitions=reader.versions,
        totals=totals,
    )
    return MadePlan(plan, tuple(planner.granted), tuple(planner.refused), planner.known_already)


@dataclass(kw_only=True, slots=True)
class PlanReader:
    """Reads from Postgres what a plan needs.

    `planned` has the accounts that the plan changes. `versions` has the version of each group, None if undefined, and
    `groups` those that are defined.
    """

    pool: asyncpg.Pool
    planned: PlannedState
    now: datetime
    max_facts: int
    versions: dict[int, int | None] = field(default_factory=dict)
    groups: dict[int, TargetGroup] = field(default_factory=dict)
    _cache: DefinitionCache = field(default_factory=DefinitionCache)

    async def dry_run(self, requests: Sequence[ParsedRequest]) -> DryRun:
        """A dry run with all that these requests concern, on top of the requests before them.

        Raises OutageError and SetupError, and UnenrollError if a group got a new definition since it was first read.
        """
        received = [request.received for request in requests]
        definitions = await self._read_definitions([one.event for one in received])
        accounts = {account_of(one.event) for one in received}
        events = [identity(one) for one in received]
        planned = self.planned.accounts(accounts)
        unplanned = accounts - planned.keys()
        snapshot = await retry(lambda: account_snapshot(self.pool, accounts=unplanned, events=events))
        gathered = GatheredState(
            definitions=definitions,
            accounts=snapshot.accounts | {key: one.account for key, one in planned.items()},
            ledger=self.planned.requests(events) | snapshot.events,
        )
        last_requests = {key: one.last_request for key, one in planned.items()}
        return DryRun(
            gathered=gathered,
            erased=snapshot.erased_until,
            last_requests=last_requests,
            now=self.now,
            max_facts=self.max_facts,
        )

    async def _read_definitions(self, events: Sequence[Event | SettlementDue]) -> DefinitionSet:
        groups, targets = group_ids_of(events), {event.target_id for event in events}
        found = await retry(lambda: self._cache.read(self.pool, group_ids=groups, target_ids=targets))
        self._check_versions(groups, found)
        self.groups.update(found.groups)
        return found

    def _check_versions(self, group_ids: Iterable[int], found: DefinitionSet) -> None:
        for group_id in {*group_ids, *found.groups}:
            group = found.groups.get(group_id)
            version = None if group is None else group.version
            if self.versions.setdefault(group_id, version) != version:
                raise UnenrollError(f"target group {group_id} got a new definition while the plan was made; plan again")


@dataclass(kw_only=True, slots=True)
class _Planner:
    reader: PlanReader
    bad: BadLines
    draft: PlanDraft
    counter: TotalsCounter = field(default_factory=TotalsCounter)
    granted: list[RequestSample] = field(default_factory=list)
    refused: list[RequestSample] = field(default_factory=list)
    known_already: int = 0

    async def plan_page(self, page: Sequence[Line]) -> None:
        """Plan the requests of these lines."""
        parsed = [(line, _parse(line)) for line in page]
        dry_run = await self.reader.dry_run([request for _, request in parsed if isinstance(request, ParsedRequest)])
        for line, request in parsed:
            if isinstance(request, ParsedRequest):
                self._plan(line, request, dry_run)
            else:
                self.bad.add(line, request)
        for account in dry_run.changed_accounts():
            self.reader.planned.save_account(account, now=self.reader.now)

    def _plan(self, line: Line, request: ParsedRequest, dry_run: DryRun) -> None:
        entry = dry_run.predict(request)
        if isinstance(entry, DeadLetter):
            self.bad.add(line, entry)
        elif entry is Skipped.ERASED:
            self.bad.add(line, _ERASED)
        elif isinstance(entry, Skipped):
            self.known_already += 1
        else:
            self.draft.add(entry.line)
            self.counter.count(entry.predicted)
            self.reader.planned.save_request(entry.key, entry.content)
            self._add_sample(request, entry.predicted)

    def _add_sample(self, request: ParsedRequest, predicted: Prediction) -> None:
        samples = self.granted if predicted.outcome is Outcome.UNENROLLED else self.refused
        if len(samples) < MAX_SAMPLES:
            samples.append(request_sample(request, predicted))


def _parse(line: Line) -> ParsedRequest | DeadLetter:
    if line.part is not LinePart.WHOLE:
        return LINE_TOO_LONG
    request = parse_request(line.content)
    if isinstance(request, ParsedRequest) and request.has_expectation:
        return schema("data.expected", "must be absent, because `unenroll plan` sets it")
    return request
