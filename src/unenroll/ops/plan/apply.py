"""Apply a plan: publish its undecided requests, wait for the lanes, and compare their decisions with the plan."""

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
from unenroll.ops.plan.lines import PlannedRequest, PredictedEvent, is_caused_by, predicted_event, read_planned
from unenroll.ops.plan.verdicts import ApplyReport, RequestResult, RequestVerdict, judge_request
from unenroll.ops.progress import Advance, progress
from unenroll.ops.publish import Sender, batch_limits_by_topic
from unenroll.postgres.plans import (
    DecidedRequest,
    apply_lock,
    batch_messages,
    database_identity,
    decided_requests,
    group_versions,
    reads_other_topics,
)
from unenroll.postgres.pool import check_tables, open_pool
from unenroll.settings import KafkaSettings, WorkerSettings
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import Message, Topic, batch_bytes
from unenroll.worker.backoff import retry
from unenroll.worker.batch import identity

_PAGE_REQUESTS = 500
_POLL_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class ApplyResult:
    """How many requests of a plan were published now, were decided before, and had each result.

    `results` is None if nobody waited for the decisions. `named` has the first requests that were not decided as
    predicted.
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
    """Publish the requests of the plan that are not decided yet, and wait for the lanes to decide them.

    Stops waiting when no request was decided for `patience` seconds; None: does not wait. Safe to repeat. Raises
    OutageError and SetupError, and UnenrollError if the plan does not fit the database as it is now.
    """
    async with open_pool(settings.database_url, connections=2) as pool:
        await check_tables(pool)
        await _check_database(file.plan, pool)
        await _check_topic(settings, pool)
        async with apply_lock(pool, file.sha256):
            published = await _publish(file, settings, pool)
            if patience is not None:
                await _wait(file, pool, report=report, patience=patience)
    return ApplyResult(
        sha256=file.sha256,
        requests=file.plan.requests,
        published=published,
        answered_before=file.plan.requests - published,
        results=None if patience is None else {result: report.counts[result] for result in RequestResult},
        named=tuple(report.listed),
    )


async def _check_database(plan: Plan, pool: asyncpg.Pool) -> None:
    if await database_identity(pool) != plan.database:
        raise UnenrollError("the plan was made from another database; plan again from this one")
    versions = await group_versions(pool, plan.definitions.keys())
    for group_id, version in plan.definitions.items():
        if versions.get(group_id) != version:
            raise UnenrollError(f"target group {group_id} got a new definition after the plan was made; plan again")


async def _check_topic(settings: WorkerSettings, pool: asyncpg.Pool) -> None:
    name = settings.topic_prefix + Topic.REQUESTS
    topic = (await KafkaAdmin(settings).topics([name])).get(name)
    if topic is not None and await reads_other_topics(pool, topic.topic_id):
        raise UnenrollError(f"no worker of this database has read topic {name}; check UNENROLL_KAFKA_BOOTSTRAP_SERVERS")


async def _publish(file: PlanFile, settings: WorkerSettings, pool: asyncpg.Pool) -> int:
    sender = RequestSender(pool=pool, topic=await open_request_topic(settings))
    try:
        with _progress("publish", file) as advance:
            for page in pages(file):
                await sender.send(page)
                advance(page.size)
        await sender.finish()
    except OutageError as outage:
        raise OutageError(
            f"{outage}; apply the plan again: workers skip the requests that arrived before", server=outage.server
        ) from outage
    return sender.published


async def _wait(file: PlanFile, pool: asyncpg.Pool, *, report: ApplyReport, patience: float) -> None:
    with _progress("wait", file) as advance:
        waiter = OutcomeWaiter(pool=pool, patience=patience, advance=advance)
        for page in pages(file):
            verdicts = await waiter.verdicts(page)
            for planned, verdict in zip(page.requests.values(), verdicts, strict=True):
                report.add(planned, verdict)
            advance(page.size)


def _progress(activity: str, file: PlanFile) -> AbstractContextManager[Advance]:
    return progress(activity, file.path.stat().st_size)


class RequestPage(NamedTuple):
    """Some requests in the order of the plan, by key, and the size of their lines in bytes."""

    requests: dict[EventKey, PlannedRequest]
    size: int


def pages(file: PlanFile) -> Iterator[RequestPage]:
    """The pages of the plan. Raises UnenrollError if this version of the program cannot read a line."""
    lines = file.lines()
    number = 1
    while page := list(islice(lines, _PAGE_REQUESTS)):
        requests = {}
        for line in page:
            number += 1
            planned = read_planned(line)
            if isinstance(planned, DeadLetter):
                raise UnenrollError(f"{file.path}:{number}: {planned.reason}: {planned.detail}; plan again")
            requests[identity(planned.request.received)] = planned
        yield RequestPage(requests, sum(map(len, page)))


class RequestTopic(NamedTuple):
    """A sender for topic `requests`, and the topic's maximum batch size in bytes."""

    sender: Sender
    max_bytes: int


async def open_request_topic(settings: KafkaSettings) -> RequestTopic:
    """Topic `requests`, ready to send to. Raises OutageError and SetupError."""
    limits = await batch_limits_by_topic(settings)
    return RequestTopic(Sender(settings, batch_bytes=min(limits.values())), limits[Topic.REQUESTS])


@dataclass(kw_only=True, slots=True)
class RequestSender:
    """Sends requests that are not decided yet. `published` counts them."""

    pool: asyncpg.Pool
    topic: RequestTopic
    published: int = 0

    async def send(self, page: RequestPage) -> None:
        """Send the undecided requests of the page. Raises OutageError and SetupError."""
        keys = list(page.requests)
        decided = await retry(lambda: decided_requests(self.pool, keys))
        messages = [planned.request.message for key, planned in page.requests.items() if key not in decided]
        await asyncio.to_thread(self._send, messages)

    async def finish(self) -> None:
        """Wait until all requests have arrived. Raises OutageError and SetupError."""
        await asyncio.to_thread(self.topic.sender.finish)

    def _send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if batch_bytes(message) > self.topic.max_bytes:
                customer = (message.key or b"").decode()
                raise UnenrollError(
                    f"a request of customer {customer} exceeds max.message.bytes of topic {message.topic}"
                )
            self.topic.sender.send(message)
            self.published += 1


Decisions = Mapping[EventKey, DecidedRequest]


@dataclass(kw_only=True, slots=True)
class OutcomeWaiter:
    """Waits until lanes have decided requests, and judges the decisions.

    Stops waiting, for all further pages too, when no request was decided for `patience` seconds. Calls `advance` with
    0 while it waits, so that the progress stays visible.
    """

    pool: asyncpg.Pool
    patience: float
    advance: Advance

    async def verdicts(self, page: RequestPage) -> list[RequestVerdict]:
        """The verdict on each request of the page, in order. Raises OutageError."""
        decided = await self._wait(list(page.requests))
        published = await retry(lambda: self._published(page.requests, decided))
        return [judge_request(planned, decided.get(key), published[key]) for key, planned in page.requests.items()]

    async def _wait(self, keys: list[EventKey]) -> Decisions:
        """The decisions of these requests, as far as there are any when this stops waiting."""
        decided: Decisions = {}
        deadline = monotonic() + self.patience
        while True:
            now = await retry(lambda: decided_requests(self.pool, keys))
            if len(now) == len(keys):
                return now
            if len(now) > len(decided):
                decided, deadline = now, monotonic() + self.patience
            if monotonic() >= deadline:
                self.patience = 0
                return now
            self.advance(0)
            await asyncio.sleep(_POLL_SECONDS)

    async def _published(
        self, requests: Mapping[EventKey, PlannedRequest], decided: Decisions
    ) -> Mapping[EventKey, list[PredictedEvent]]:
        """The events that each request published."""
        by_customer = _by_customer(decided)
        published: defaultdict[EventKey, list[PredictedEvent]] = defaultdict(list)
        async for message in batch_messages(self.pool, decided.values()):
            for key in by_customer.get(message.key or b"", ()):
                if is_caused_by(message, requests[key].request.received.event):
                    published[key].append(predicted_event(message))
        return published


def _by_customer(keys: Collection[EventKey]) -> Mapping[bytes, list[EventKey]]:
    by_customer: defaultdict[bytes, list[EventKey]] = defaultdict(list)
    for key in keys:
        by_customer[b"%d" % key.customer_id].append(key)
    return by_customer
