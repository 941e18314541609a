"""One run of a variant, in a database and topics of its own, with everything checked at the end."""

import json
from collections import Counter
from time import monotonic
from typing import Any

from benchmarks.answers import check_same
from benchmarks.databases import execute
from benchmarks.expected import Fingerprint
from benchmarks.finding import Finding
from benchmarks.fleet import Site, fleet, site
from benchmarks.processes import running_programs
from benchmarks.processor_time import peak_megabytes, used
from benchmarks.shared_servers import Ground
from benchmarks.tables_check import check_ours
from benchmarks.variants import Variant


async def trial(ground: Ground, variant: Variant) -> Finding:
    """Run the variant once. Raises SystemExit if it does not do what the core says."""
    workload = ground.peer_workload if variant.peer else ground.workload
    async with site(ground, variant, workload) as where:
        return await (_through_kafka if variant.members else _direct)(where)


async def _through_kafka(where: Site) -> Finding:
    """From the moment when the whole backlog can be read to the moment when the last answer can."""
    async with fleet(where) as running_fleet:
        running_fleet.backlog.put(where.workload.measured(where.ground.partitions))
        visible = running_fleet.visible()
        before, began = used(running_fleet.pids), monotonic()
        running_fleet.backlog.show()
        await running_fleet.drained(visible)
        finding = Finding(
            variant=where.variant.name,
            requests=where.workload.requests,
            seconds=visible.changed_at - began,
            used=used(running_fleet.pids) - before,
            megabytes=running_fleet.megabytes,
            ready_seconds=running_fleet.ready_seconds,
        )
    await where.check()
    return finding


async def _direct(where: Site) -> Finding:
    """From the word to go until the last process is done."""
    started = monotonic()
    with running_programs(where.environment, where.variant.commands(where.workload)) as programs:
        for program in programs:
            program.line()
        ready_seconds = monotonic() - started
        await execute(where.environment["UNENROLL_DATABASE_URL"], "checkpoint")
        pids = [program.pid for program in programs]
        before = used(pids)
        for program in programs:
            program.tell("go")
        told = [json.loads(program.line()) for program in programs]
        finding = Finding(
            variant=where.variant.name,
            requests=sum(one["requests"] for one in told),
            seconds=max(one["seconds"] for one in told),
            used=used(pids) - before,
            megabytes=max(peak_megabytes(pid) for pid in pids),
            ready_seconds=ready_seconds,
        )
    if where.variant.ours:
        await _check_step(where, told)
    return finding


async def _check_step(where: Site, told: list[dict[str, Any]]) -> None:
    found = Fingerprint()
    for one in told:
        found.counts += Counter(one["counts"])
        found.total = (found.total + int(one["total"])) % 2**128
    expected = where.ground.expected(where.workload)
    check_same(found, expected.published)
    await check_ours(where.environment, where.workload, expected)
