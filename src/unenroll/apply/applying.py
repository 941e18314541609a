"""A plan carried out from beginning to end: what is not decided yet is published, then all is waited for."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

import asyncpg

from unenroll.apply.pages import pages
from unenroll.apply.report import Report
from unenroll.apply.sending import Sending, opened
from unenroll.apply.verdicts import Result, Verdict
from unenroll.apply.waiting import Waiting
from unenroll.errors import OutageError, UnenrollError
from unenroll.ndjson.progress import Read, progress
from unenroll.plan.file import Plan, PlanFile
from unenroll.settings import WorkerSettings
from unenroll.store.connect import check_tables, connected
from unenroll.store.plans import applied_alone, database_identity, group_versions, nobody_reads
from unenroll.stream.cluster import Cluster
from unenroll.wire.names import Topic


@dataclass(frozen=True, kw_only=True, slots=True)
class Applied:
    """What became of a plan: `published` now, `answered_before` that. `results` is None where nobody waited.

    `named` are the first of those that did not come out as predicted.
    """

    sha256: str
    requests: int
    published: int
    answered_before: int
    results: Mapping[Result, int] | None
    named: tuple[Verdict, ...]


async def carry_out(file: PlanFile, settings: WorkerSettings, *, report: Report, patience: float | None) -> Applied:
    """Publish what of the plan is not decided yet, and wait for the lanes, or with `patience` None do not wait.

    `patience` is for how many seconds at most nothing may be decided. What is repeated changes nothing. Raises
    OutageError and SetupError, and UnenrollError if the plan is not one for this database as it is now.
    """
    async with connected(settings.database_url, connections=2) as pool:
        await check_tables(pool)
        await _check(file.plan, pool)
        await _check_topic(settings, pool)
        async with applied_alone(pool, file.sha256):
            published = await _publish(file, settings, pool)
            if patience is not None:
                await _wait(file, pool, report=report, patience=patience)
    return Applied(
        sha256=file.sha256,
        requests=file.plan.requests,
        published=published,
        answered_before=file.plan.requests - published,
        results=None if patience is None else {result: report.counts[result] for result in Result},
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
    topic = (await Cluster(settings).topics([name])).get(name)
    if topic is not None and await nobody_reads(pool, topic.topic_id):
        raise UnenrollError(f"no worker of this database has read topic {name}; is it on another Kafka?")


async def _publish(file: PlanFile, settings: WorkerSettings, pool: asyncpg.Pool) -> int:
    sending = Sending(pool=pool, topic=await opened(settings))
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


async def _wait(file: PlanFile, pool: asyncpg.Pool, *, report: Report, patience: float) -> None:
    with _progress("wait", file) as done:
        waiting = Waiting(pool=pool, patience=patience, done=done)
        for page in pages(file):
            verdicts = await waiting.verdicts(page)
            for planned, verdict in zip(page.requests.values(), verdicts, strict=True):
                report.add(planned, verdict)
            done(page.size)


def _progress(doing: str, file: PlanFile) -> AbstractContextManager[Read]:
    return progress(doing, file.path.stat().st_size)
