"""One run of a variant, in a database and topics of its own, with everything checked at the end."""

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from benchmarks.answers import OUTPUTS, check_published, check_same
from benchmarks.backlog import Backlog
from benchmarks.crowd import Crowd
from benchmarks.databases import copied, execute
from benchmarks.expected import Fingerprint
from benchmarks.finding import Finding
from benchmarks.ground import Ground
from benchmarks.processes import Running, running, unenroll
from benchmarks.processor_time import peak_megabytes, used
from benchmarks.tables_check import check_ours, check_peers
from benchmarks.variants import Variant
from benchmarks.watching import Group, Visible
from unenroll.wire.names import Topic

_LOOK_SECONDS = 0.02
_ASK_SECONDS = 0.2
_PATIENCE_SECONDS = 120.0


async def trial(ground: Ground, variant: Variant) -> Finding:
    """Run the variant once. Raises SystemExit if it does not do what the core says."""
    template = ground.ours if variant.ours else ground.peers if variant.peer else None
    async with copied(ground.servers.database_url, template) as url:
        name = f"bench-{secrets.token_hex(4)}"
        environment = {
            "UNENROLL_KAFKA_BOOTSTRAP_SERVERS": ground.servers.kafka,
            "UNENROLL_DATABASE_URL": url,
            "UNENROLL_TOPIC_PREFIX": f"{name}.",
            "UNENROLL_GROUP_ID": name,
            "UNENROLL_LOG_FORMAT": "json",
        }
        unenroll(environment, "topics", "--partitions", str(ground.partitions))
        run = _through_kafka if variant.members else _direct
        return await run(ground, variant, environment)


async def _through_kafka(ground: Ground, variant: Variant, environment: dict[str, str]) -> Finding:
    """From the moment when the whole backlog can be read to the moment when the last answer can."""
    crowd = ground.peer_crowd if variant.peer else ground.crowd
    kafka, prefix = ground.servers.kafka, environment["UNENROLL_TOPIC_PREFIX"]
    backlog = Backlog(kafka, prefix + Topic.REQUESTS)
    started = monotonic()
    with running(environment, variant.commands(crowd)) as workers:
        async with Group(kafka, environment["UNENROLL_GROUP_ID"], topic=prefix + Topic.REQUESTS) as group:
            await _until(lambda: _is(group, variant.members), workers)
            backlog.put(crowd.warm_up(ground.partitions))
            backlog.show()
            await _until(lambda: group.committed(backlog.ends), workers)
            ready_seconds = monotonic() - started
            backlog.put(crowd.measured(ground.partitions))
            await execute(environment["UNENROLL_DATABASE_URL"], "checkpoint")
            visible = Visible(kafka, [prefix + word for word in OUTPUTS], partitions=ground.partitions)
            before, began = used(worker.pid for worker in workers), monotonic()
            backlog.show()
            await _drained(group, backlog, visible, workers=workers)
        finding = Finding(
            variant=variant.name,
            requests=crowd.requests,
            seconds=visible.changed_at - began,
            used=used(worker.pid for worker in workers) - before,
            megabytes=max(peak_megabytes(worker.pid) for worker in workers),
            ready_seconds=ready_seconds,
        )
    check_published(kafka, prefix, ground.expected(crowd), partitions=ground.partitions)
    check = check_peers if variant.peer else check_ours
    await check(environment, crowd, ground.expected(crowd))
    return finding


async def _drained(group: Group, backlog: Backlog, visible: Visible, *, workers: list[Running]) -> None:
    asked = monotonic()
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        visible.look()
        if monotonic() - asked > _ASK_SECONDS:
            if await group.committed(backlog.ends):
                visible.look()
                return
            asked = monotonic()
            for worker in workers:
                worker.check()


async def _direct(ground: Ground, variant: Variant, environment: dict[str, str]) -> Finding:
    """From the word to go until the last process is done."""
    crowd, started = ground.crowd, monotonic()
    with running(environment, variant.commands(crowd)) as programs:
        for program in programs:
            program.line()
        ready_seconds = monotonic() - started
        await execute(environment["UNENROLL_DATABASE_URL"], "checkpoint")
        before = used(program.pid for program in programs)
        for program in programs:
            program.tell("go")
        told = [json.loads(program.line()) for program in programs]
        seconds = max(one["seconds"] for one in told)
        finding = Finding(
            variant=variant.name,
            requests=crowd.requests,
            seconds=seconds,
            used=used(program.pid for program in programs) - before,
            megabytes=max(peak_megabytes(program.pid) for program in programs),
            ready_seconds=ready_seconds,
        )
    if variant.ours:
        await _check_step(ground, environment, crowd, told=told)
    return finding


async def _check_step(ground: Ground, environment: dict[str, str], crowd: Crowd, *, told: list[dict[str, Any]]) -> None:
    found = Fingerprint()
    for one in told:
        found.counts += Counter(one["counts"])
        found.total = (found.total + int(one["total"])) % 2**128
    check_same(found, ground.expected(crowd).published)
    await check_ours(environment, crowd, ground.expected(crowd))


async def _is(group: Group, members: int) -> bool:
    return await group.members() == members


async def _until(condition: Callable[[], Awaitable[bool]], workers: list[Running]) -> None:
    deadline = monotonic() + _PATIENCE_SECONDS
    while not await condition():
        for worker in workers:
            worker.check()
        if monotonic() > deadline:
            raise SystemExit(f"not ready within {_PATIENCE_SECONDS:.0f} s:\n" + workers[0].last_words())
        await asyncio.sleep(_ASK_SECONDS / 4)
