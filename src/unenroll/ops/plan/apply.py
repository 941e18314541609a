"""A plan carried out from beginning to end: what is not decided yet is published, then all is waited for."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import NamedTuple

import asyncpg

from unenroll.core.events import EventKey
from unenroll.errors import OutageError, UnenrollError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.ops.plan.file import Plan, PlanFile
from unenroll.ops.plan.lines import PlannedRequest, PredictedEvent, caused_events, predicted_events, read_planned
from unenroll.ops.plan.verdicts import ApplyReport, RequestResult, RequestVerdict, judge_requests
from unenroll.ops.progress import Read, progress
from unenroll.ops.publish import Sender, most_bytes
from unenroll.postgres.plans import (
    DecidedRequest,
    check_not_read,
    database_identity,
    decided_requests,
    group_versions,
    only_apply,
    published_with,
)
from unenroll.postgres.pool import check_tables, connected
from unenroll.settings import KafkaSettings, WorkerSettings
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import Message, Topic, batch_bytes
from unenroll.worker.backoff import retried
from unenroll.worker.batch import identity

MOST_REQUESTS = 500


class RequestPage(NamedTuple):
    """Some requests in the order of the plan, each under what its event is known by, and their size in bytes."""

    requests: dict[EventKey, PlannedRequest]
    size: int


def pages(file: PlanFile) -> Iterator[RequestPage]:
    """The pages of the plan. Raises UnenrollError if this program cannot read a request that another one planned."""
    lines = file.lines()
    number = 1
    while page := list(islice(lines, MOST_REQUESTS)):
        requests = {}
        for line in page:
            number += 1
            planned = read_planned(line)
            if isinstance(planned, DeadLetter):
                raise UnenrollError(f"{file.path}:{number}: {planned.reason}: {planned.detail}; plan again")
            requests[identity(planned.request.received)] = planned
        yield RequestPage(requests, sum(map(len, page)))


class OpenTopic(NamedTuple):
    """The topic of requests, and the most bytes that it takes at once."""

    sender: Sender
    most_bytes: int


async def open_topic(settings: KafkaSettings) -> OpenTopic:
    """The topic of requests, ready. Raises OutageError and SetupError."""
    limits = await most_bytes(settings)
    return OpenTopic(Sender(settings, batch_bytes=min(limits.values())), limits[Topic.REQUESTS])


@dataclass(kw_only=True, slots=True)
class RequestSender:
    """`published` counts the requests that were sent."""

    pool: asyncpg.Pool
    topic: OpenTopic
    published: int = 0

    async def send(self, page: RequestPage) -> None:
        """Send what of the page is not decided yet. Raises OutageError and SetupError."""
        keys = list(page.requests)
        decided = await retried(lambda: decided_requests(self.pool, keys))
        messages = [planned.request.message for key, planned in page.requests.items() if key not in decided]
        await asyncio.to_thread(self._send, messages)

    async def finish(self) -> None:
        """Wait until all have arrived. Raises OutageError and SetupError."""
        await asyncio.to_thread(self.topic.sender.finish)

    def _send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if batch_bytes(message) > self.topic.most_bytes:
                raise UnenrollError(f"a request of customer {message.key!r} does not fit the topic {message.topic}")
            self.topic.sender.send(message)
            self.published += 1


_LOOK_SECONDS = 0.2

Decided = Mapping[EventKey, DecidedRequest]


@dataclass(kw_only=True, slots=True)
class OutcomeWaiter:
    """`patience`: for how many seconds at most nothing may be decided. Once it is lost, nothing is waited for.

    `done` is called now and then, so that whoever looks on sees that something is waited for.
    """

    pool: asyncpg.Pool
    patience: float
    done: Read

    async def verdicts(self, page: RequestPage) -> list[RequestVerdict]:
        """What became of each request of the page, in order. Raises OutageError."""
        decided = await self._decided(list(page.requests))
        published = await retried(lambda: self._published(page.requests, decided))
        return [judge_requests(planned, decided.get(key), published[key]) for key, planned in page.requests.items()]

    async def _decided(self, keys: list[EventKey]) -> Decided:
        found: Decided = {}
        deadline = monotonic() + self.patience
        while True:
            now = await retried(lambda: decided_requests(self.pool, keys))
            if len(now) == len(keys):
                return now
            if len(now) > len(found):
                found, deadline = now, monotonic() + self.patience
            if monotonic() >= deadline:
                self.patience = 0
                return now
            self.done(0)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _published(
        self, requests: Mapping[EventKey, PlannedRequest], decided: Decided
    ) -> Mapping[EventKey, list[PredictedEvent]]:
        """What was published for each of the requests."""
        of_customer = _by_customer(decided)
        published: defaultdict[EventKey, list[PredictedEvent]] = defaultdict(list)
        async for message in published_with(self.pool, decided.values()):
            for key in of_customer.get(message.key or b"", ()):
                if caused_events(message, requests[key].request.received.event):
                    published[key].append(predicted_events(message))
        return published


def _by_customer(keys: Collection[EventKey]) -> Mapping[bytes, list[EventKey]]:
    of_customer: defaultdict[bytes, list[EventKey]] = defaultdict(list)
    for key in keys:
        of_customer[b"%d" % key.customer_id].append(key)
    return of_customer


@dataclass(frozen=True, kw_only=True, slots=True)
class ApplyResult:
    """What became of a plan: `published` now, `answered_before` that. `results` is None where nobody waited.

    `named` are the first of those that did not come out as predicted.
    """

    sha256: str
    requests: int
    published: int
    answered_before: int
    results: Mapping[RequestResult, int] | None
    named: tuple[RequestVerdict, ...]


async def apply_plan(
    file: PlanFile, settings: WorkerSettings, *, report: ApplyReport, patience: float | None
) -> ApplyResult:
    """Publish what of the plan is not decided yet, and wait for the lanes, or with `patience` None do not wait.

    `patience` is for how many seconds at most nothing may be decided. What is repeated changes nothing. Raises
    OutageError and SetupError, and UnenrollError if the plan is not one for this database as it is now.
    """
    async with connected(settings.database_url, connections=2) as pool:
        await check_tables(pool)
        await _check(file.plan, pool)
        await _check_topic(settings, pool)
        async with only_apply(pool, file.sha256):
            published = await _publish(file, settings, pool)
            if patience is not None:
                await _wait(file, pool, report=report, patience=patience)
    return ApplyResult(
        sha256=file.sha256,
        requests=file.plan.requests,
        published=published,
        answered_before=file.plan.requests - published,
        results=None if patience is None else {result: report.counts[result] for result in RequestResult},
        named=tuple(report.named),
    )


async def _check(plan: Plan, pool: asyncpg.Pool) -> None:
    if await database_identity(pool) != plan.database:
        raise UnenrollError("the plan was made from another database; plan again from this one")
    versions = await group_versions(pool, plan.definitions.keys())
    for group_id, seen in plan.definitions.items():
        if versions.get(group_id) != seen:
            raise UnenrollError(f"target group {group_id} was defined anew since the plan was made; plan again")


async def _check_topic(settings: WorkerSettings, pool: asyncpg.Pool) -> None:
    name = settings.topic_prefix + Topic.REQUESTS
    topic = (await KafkaAdmin(settings).topics([name])).get(name)
    if topic is not None and await check_not_read(pool, topic.topic_id):
        raise UnenrollError(f"no worker of this database has read topic {name}; is it on another Kafka?")


async def _publish(file: PlanFile, settings: WorkerSettings, pool: asyncpg.Pool) -> int:
    sending = RequestSender(pool=pool, topic=await open_topic(settings))
    try:
        with _progress("publish", file) as done:
            for page in pages(file):
                await sending.send(page)
                done(page.size)
        await sending.finish()
    except OutageError as outage:
        raise OutageError(
            f"{outage}; apply the plan again: what has arrived already changes nothing", server=outage.server
        ) from outage
    return sending.published


async def _wait(file: PlanFile, pool: asyncpg.Pool, *, report: ApplyReport, patience: float) -> None:
    with _progress("wait", file) as done:
        waiting = OutcomeWaiter(pool=pool, patience=patience, done=done)
        for page in pages(file):
            verdicts = await waiting.verdicts(page)
            for planned, verdict in zip(page.requests.values(), verdicts, strict=True):
                report.add(planned, verdict)
            done(page.size)


def _progress(doing: str, file: PlanFile) -> AbstractContextManager[Read]:
    return progress(doing, file.path.stat().st_size)
