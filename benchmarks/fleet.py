"""Programs that work on one consumer group: started, joined and warm."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

from benchmarks.answers import OUTPUTS, check_published
from benchmarks.backlog import Backlog
from benchmarks.databases import database_copy, execute
from benchmarks.processes import Running, running_programs, unenroll
from benchmarks.processor_time import peak_megabytes
from benchmarks.shared_servers import Ground
from benchmarks.tables_check import check_ours, check_peers
from benchmarks.variants import Variant
from benchmarks.watching import Group, Visible, watched
from benchmarks.workload import Workload
from unenroll.wire.topics import Topic

_LOOK_SECONDS = 0.02
_ASK_SECONDS = 0.2
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """A database and topics for one run. `strangers`: customers after those of the workload send events, too."""

    ground: Ground
    variant: Variant
    workload: Workload
    environment: dict[str, str]
    strangers: bool = False

    @property
    def prefix(self) -> str:
        """What the topics' names begin with."""
        return self.environment["UNENROLL_TOPIC_PREFIX"]

    @property
    def kafka(self) -> str:
        """Kafka's bootstrap servers."""
        return self.ground.servers.kafka

    async def check(self) -> None:
        """Raise SystemExit unless topics and tables are as the core says, with every request done."""
        expected = self.ground.expected(self.workload)
        last = self.workload.customers if self.strangers else None
        check_published(self.kafka, self.prefix, expected, partitions=self.ground.partitions, last_customer=last)
        if self.variant.peer:
            await check_peers(self.environment, self.workload, expected)
        else:
            await check_ours(self.environment, self.workload, expected, last_customer=last)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """Programs that have done the warm-up and wait for more."""

    site: Site
    workers: Sequence[Running]
    group: Group
    backlog: Backlog
    ready_seconds: float

    @property
    def pids(self) -> list[int]:
        """The ids of the processes."""
        return [worker.pid for worker in self.workers]

    @property
    def megabytes(self) -> float:
        """The most memory that any of them had up to now."""
        return max(peak_megabytes(pid) for pid in self.pids)

    def visible(self) -> Visible:
        """The topics of the answers, from here on."""
        topics = [self.site.prefix + word for word in OUTPUTS]
        return Visible(self.site.kafka, topics, partitions=self.site.ground.partitions)

    async def drained(self, visible: Visible, *, progress: Callable[[Visible], None] | None = None) -> None:
        """Wait until the group has committed the whole backlog; `visible` knows then when the last answer came."""
        asked = monotonic()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            visible.look()
            if monotonic() - asked > _ASK_SECONDS:
                if await self.group.committed(self.backlog.ends):
                    visible.look()
                    return
                asked = monotonic()
                _check(self.workers)
                if progress:
                    progress(visible)


@asynccontextmanager
async def site(ground: Ground, variant: Variant, workload: Workload) -> AsyncIterator[Site]:
    """A copy of the filled database and new topics, until the end of the block."""
    template = ground.ours if variant.ours else ground.peers if variant.peer else None
    async with database_copy(ground.servers.database_url, template) as url:
        name = f"bench-{secrets.token_hex(4)}"
        environment = {
            "UNENROLL_KAFKA_BOOTSTRAP_SERVERS": ground.servers.kafka,
            "UNENROLL_DATABASE_URL": url,
            "UNENROLL_TOPIC_PREFIX": f"{name}.",
            "UNENROLL_GROUP_ID": name,
            "UNENROLL_LOG_FORMAT": "json",
            "UNENROLL_HTTP_ADDRESS": "127.0.0.1:0",
        }
        unenroll(environment, "topics", "--partitions", str(ground.partitions))
        yield Site(ground=ground, variant=variant, workload=workload, environment=environment)


@asynccontextmanager
async def fleet(where: Site) -> AsyncIterator[Fleet]:
    """The variant's programs, warm, until the end of the block."""
    topic = where.prefix + Topic.REQUESTS
    backlog = Backlog(where.kafka, topic)
    started = monotonic()
    with running_programs(where.environment, where.variant.commands(where.workload)) as workers:
        async with watched(where.kafka, where.environment["UNENROLL_GROUP_ID"], topic=topic) as group:
            await _until(lambda: _joined(group, where.variant.members), workers)
            backlog.put(where.workload.warm_up(where.ground.partitions))
            backlog.show()
            await _until(lambda: group.committed(backlog.ends), workers)
            ready_seconds = monotonic() - started
            await execute(where.environment["UNENROLL_DATABASE_URL"], "checkpoint")
            yield Fleet(site=where, workers=workers, group=group, backlog=backlog, ready_seconds=ready_seconds)


async def _joined(group: Group, members: int) -> bool:
    return await group.members() == members


async def _until(condition: Callable[[], Awaitable[bool]], workers: Sequence[Running]) -> None:
    deadline = monotonic() + _PATIENCE_SECONDS
    while not await condition():
        _check(workers)
        if monotonic() > deadline:
            raise SystemExit(f"not ready within {_PATIENCE_SECONDS:.0f} s:\n" + workers[0].last_words())
        await asyncio.sleep(_ASK_SECONDS / 4)


def _check(workers: Sequence[Running]) -> None:
    for worker in workers:
        worker.check()
