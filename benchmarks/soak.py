"""A year in an hour: load at a constant rate, workers that come and go, replays and troubles beside it: `make soak`.

One worker stays from beginning to end, two others are stopped and started again in turn. Watched are the memory,
threads and open files of the one that stays, and the connections that Postgres counts. Every answer is held against
what the core says in the end. `benchmarks/trouble.py` has the troubles.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import monotonic

import asyncpg

from benchmarks.fleet import Site, fleet, site
from benchmarks.latency import client
from benchmarks.processes import Running, python, running_programs
from benchmarks.replay import copied_topics, replayed
from benchmarks.shared_servers import shared_ground
from benchmarks.trouble import Trouble, Troubles, again
from benchmarks.variants import workers
from benchmarks.workload import Workload
from support.postgres_proxy import cutting_proxy
from unenroll.sandbox.servers import provide_servers

_SAMPLE_SECONDS = 5.0
_GROWN = 1.1
"""Memory of the last third over that of the second, from where on it is called growing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """So many requests a second for so long; a worker comes or goes, and a replay begins, every so many seconds."""

    rate: int
    minutes: float
    records: int
    accounts: int
    restart_seconds: float
    replay_seconds: float

    @property
    def requests(self) -> int:
        """The live ones."""
        return round(self.rate * self.minutes * 60)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """The worker that stays, and Postgres, at a moment."""

    megabytes: float
    threads: int
    files: int
    connections: int


async def main(sizes: Sizes) -> None:
    """Raises SystemExit if an answer is wrong or missing, or if memory or connections grew."""
    count = sizes.requests + sizes.records
    workload = Workload(requests=count, accounts=max(sizes.accounts, count))
    async with (
        provide_servers({}, say=print) as servers,
        shared_ground(servers, workload, peer_requests=0) as place,
        site(place, workers(1), workload) as where,
        cutting_proxy(where.environment["UNENROLL_DATABASE_URL"], commits=0) as proxy,
    ):
        trouble = Trouble(site=where, proxy=proxy, sizes=Troubles())
        behind = replace(where, environment={**where.environment, "UNENROLL_DATABASE_URL": proxy.database_url})
        async with fleet(behind) as staying:
            await trouble.begin()
            samples = await _soaked(behind, staying.workers[0], sizes=sizes, trouble=trouble)
            await trouble.check()
        await replace(where, strangers=True).check()
    print(f"{count:,} requests answered, every one as the core says", flush=True)
    _judge(samples)


async def _soaked(where: Site, worker: Running, *, sizes: Sizes, trouble: Trouble) -> list[Sample]:
    """What was seen while the load came."""
    samples: list[Sample] = []
    prefix = copied_topics(where, first=sizes.requests)
    with client(where, [(sizes.rate, round(sizes.minutes * 60))]) as latency_client:
        answered = asyncio.create_task(asyncio.to_thread(latency_client.line))
        beside = [
            _sampled(trouble.site, worker, samples),
            *trouble.tasks(),
            again(sizes.replay_seconds, lambda: replayed(trouble.site, prefix, "a replay beside it")),
            *(
                again(
                    0,
                    lambda: _comes_and_goes(where, sizes.restart_seconds),
                    first_after=turn * sizes.restart_seconds / 2,
                )
                for turn in range(2)
            ),
        ]
        tasks = [asyncio.create_task(one) for one in beside]
        done, _ = await asyncio.wait([answered, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for ended in done:
            ended.result()
    (found,) = json.loads(await answered)
    print(f"answers at {sizes.rate}/s: p50 {found['p50']} ms, p99 {found['p99']} ms, longest {found['most']} ms")
    return samples


async def _comes_and_goes(where: Site, seconds: float) -> None:
    """A worker more, for so long. It stops as it does when it is replaced."""
    with running_programs(where.environment, [python("unenroll", "run")]) as (one,):
        await asyncio.sleep(seconds)
        one.check()
        one.process.terminate()
        if code := await asyncio.to_thread(one.process.wait):
            raise SystemExit(f"a worker that was asked to stop ended with {code}:\n{one.last_words()}")


async def _sampled(where: Site, worker: Running, samples: list[Sample]) -> None:
    connection = await asyncpg.connect(where.environment["UNENROLL_DATABASE_URL"])
    began = monotonic()
    try:
        while True:
            worker.check()
            samples.append(await _sample(connection, worker.pid))
            if len(samples) % 12 == 1:
                one = samples[-1]
                print(
                    f"  minute {(monotonic() - began) / 60:.0f}: {one.megabytes:.0f} MB, {one.threads} threads, "
                    f"{one.files} files, {one.connections} connections",
                    flush=True,
                )
            await asyncio.sleep(_SAMPLE_SECONDS)
    finally:
        with suppress(OSError, asyncpg.PostgresError):
            await connection.close()


async def _sample(connection: "asyncpg.Connection[asyncpg.Record]", pid: int) -> Sample:
    folder = Path("/proc") / str(pid)
    status = dict(line.split(":", 1) for line in (folder / "status").read_text(encoding="utf-8").splitlines())
    counted = await connection.fetchval("select count(*) from pg_stat_activity where datname = current_database()")
    return Sample(
        megabytes=int(status["VmRSS"].split()[0]) / 1024,
        threads=int(status["Threads"]),
        files=len(list((folder / "fd").iterdir())),
        connections=counted - 1,
    )


def _judge(samples: Sequence[Sample]) -> None:
    """Print the figures. Raises SystemExit if something grew."""
    third = len(samples) // 3
    before, after = samples[third : 2 * third], samples[2 * third :]
    grown = []
    for name in ("megabytes", "threads", "files", "connections"):
        middle, end = (median(getattr(one, name) for one in part) for part in (before, after))
        most = max(getattr(one, name) for one in samples)
        print(f"{name}: second third {middle:.0f}, last third {end:.0f}, most {most:.0f} (medians)")
        if end > middle * _GROWN + 1:
            grown.append(name)
    if grown:
        raise SystemExit(f"grew: {', '.join(grown)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="of load")
    parser.add_argument("--rate", type=int, default=100, help="requests a second")
    parser.add_argument("--records", type=int, default=20_000, help="in the topics that are replayed")
    parser.add_argument("--accounts", type=int, default=100_000, help="at least")
    parser.add_argument(
        "--restart-seconds", type=float, default=60, help="for how long a worker stays that comes and goes"
    )
    parser.add_argument("--replay-seconds", type=float, default=120, help="between the beginnings of replays")
    asked = parser.parse_args()
    asyncio.run(main(Sizes(**vars(asked))))
