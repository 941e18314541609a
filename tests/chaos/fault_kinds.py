"""The kinds of faults, the scene in which they strike, and the plan of a round by its seed."""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import asyncpg
from confluent_kafka import KafkaException

from chaos.killable_servers import KillablePair, KillableServer
from chaos.workers import WorkerCrew
from support.foreign_transaction import withhold_records
from support.postgres_proxy import CuttingProxy
from support.quota import limited_producers

POSTS = ("one", "two")

_COMMIT_SECONDS = 3.0
_BETWEEN_COMMITS_SECONDS = 0.03


@dataclass(frozen=True, kw_only=True)
class AppliedFault:
    """A fault that was applied, and when, in seconds since 1970."""

    kind: str
    at: float


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a fault can act on: workers, servers, topics and the proxy to Postgres. `struck` has the applied faults."""

    crew: WorkerCrew
    servers: KillablePair
    cutter: CuttingProxy
    database: str
    prefix: str
    struck: list[AppliedFault] = field(default_factory=list)

    async def bad_moment(self, rng: Random) -> None:
        """Return now, or as often between a worker's two commits, when its decisions are not published yet."""
        if rng.randrange(2):
            await self.cutter.commit_passes(seconds=_COMMIT_SECONDS)
            await pause(rng, 0, _BETWEEN_COMMITS_SECONDS)

    def strike(self, kind: str) -> None:
        self.struck.append(AppliedFault(kind=kind, at=time.time()))


Fault = Callable[[Scene, Random], Coroutine[Any, Any, None]]


async def pause(rng: Random, least: float, most: float) -> None:
    """Sleep for a random time."""
    await asyncio.sleep(rng.uniform(least, most))


_SESSION_SECONDS = 6.0


async def worker_killed(scene: Scene, rng: Random) -> None:
    """SIGKILL a worker. It starts again at once, or after its lanes have moved."""
    post = rng.choice(POSTS)
    async with scene.crew.turn(post):
        await scene.bad_moment(rng)
        scene.strike("worker killed")
        await scene.crew.kill(post)
        await pause(rng, 0, rng.choice([0.5, 9]))
        scene.crew.start(post)


async def all_workers_killed(scene: Scene, rng: Random) -> None:
    """SIGKILL all workers, as a power failure does. They start again one after the other."""
    async with scene.crew.turn(POSTS[0]), scene.crew.turn(POSTS[1]):
        await scene.bad_moment(rng)
        scene.strike("all workers killed")
        await asyncio.gather(*map(scene.crew.kill, POSTS))
        for post in POSTS:
            await pause(rng, 0, 2)
            scene.crew.start(post)


async def worker_frozen(scene: Scene, rng: Random) -> None:
    """SIGSTOP a worker, briefly or until others have its lanes, and then SIGCONT it in the middle of its work."""
    post = rng.choice(POSTS)
    async with scene.crew.turn(post):
        await scene.bad_moment(rng)
        scene.strike("worker frozen")
        scene.crew.posts[post].send_signal(signal.SIGSTOP)
        await pause(rng, *rng.choice([(0.5, 3.0), (_SESSION_SECONDS + 1, _SESSION_SECONDS + 6)]))
        scene.crew.posts[post].send_signal(signal.SIGCONT)


async def worker_stopped(scene: Scene, rng: Random) -> None:
    """SIGTERM a worker, as in a rolling restart."""
    post = rng.choice(POSTS)
    async with scene.crew.turn(post):
        scene.strike("worker stopped")
        await scene.crew.stop(post)
        await pause(rng, 0, 2)
        scene.crew.start(post)


async def worker_joins(scene: Scene, rng: Random) -> None:
    """Start a third worker, and stop or kill it."""
    post = "guest"
    async with scene.crew.turn(post):
        scene.strike("worker joins")
        scene.crew.start(post)
        await pause(rng, 2, 8)
        await (scene.crew.stop if rng.randrange(2) else scene.crew.kill)(post)


async def broker_killed(scene: Scene, rng: Random) -> None:
    await _down(scene, scene.servers.kafka, signal.SIGKILL, kind="broker killed", rng=rng)


async def broker_restarted(scene: Scene, rng: Random) -> None:
    await _down(scene, scene.servers.kafka, signal.SIGTERM, kind="broker restarted", rng=rng)


async def postgres_shut_down(scene: Scene, rng: Random) -> None:
    """Shut Postgres down at once. It recovers from its log."""
    await _down(scene, scene.servers.postgres, signal.SIGQUIT, kind="Postgres shut down", rng=rng)


async def backends_terminated(scene: Scene, rng: Random) -> None:
    """Terminate all backends, up to five times in a row."""
    async with scene.servers.postgres.turn:
        scene.strike("backends terminated")
        for _ in range(rng.randint(1, 5)):
            connection = await asyncpg.connect(scene.servers.postgres.address)
            await connection.fetch(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", scene.database
            )
            await connection.close()
            await pause(rng, 0, 0.5)


async def commits_unanswered(scene: Scene, rng: Random) -> None:
    """Cut the connection after COMMITs: Postgres commits, and the worker gets no answer."""
    scene.strike("commits unanswered")
    scene.cutter.left += rng.randint(1, 3)
    await pause(rng, 0.5, 2)


async def commits_lost(scene: Scene, rng: Random) -> None:
    """Cut the connection before COMMITs: Postgres never gets them."""
    scene.strike("commits lost")
    scene.cutter.lost += rng.randint(1, 3)
    await pause(rng, 0.5, 2)


async def postgres_silent(scene: Scene, rng: Random) -> None:
    """Let the workers' connections to Postgres fall silent: no answer, no RST. New connections work."""
    await scene.bad_moment(rng)
    scene.strike("Postgres silent")
    scene.cutter.silence()


async def producers_limited(scene: Scene, rng: Random) -> None:
    """Give all producers together a quota of some kilobytes a second for a while."""
    async with scene.servers.kafka.turn:
        scene.strike("producers limited")
        with limited_producers(scene.servers.kafka.address, rng.choice([5_000, 50_000])):
            await pause(rng, 2, 8)


async def foreign_transaction(scene: Scene, rng: Random) -> None:
    """Open a transaction that is not ours on the input topics, which withholds what comes behind it. Then abort it."""
    scene.strike("foreign transaction")
    with suppress(KafkaException):  # another fault has taken Kafka away meanwhile
        await asyncio.to_thread(withhold_records, scene.servers.kafka.address, scene.prefix, seconds=rng.uniform(1, 10))


KINDS: tuple[Fault, ...] = (
    worker_killed,
    all_workers_killed,
    worker_frozen,
    worker_stopped,
    worker_joins,
    broker_killed,
    broker_restarted,
    postgres_shut_down,
    backends_terminated,
    commits_unanswered,
    commits_lost,
    postgres_silent,
    producers_limited,
    foreign_transaction,
)


async def _down(scene: Scene, server: KillableServer, by: signal.Signals, *, kind: str, rng: Random) -> None:
    async with server.turn:
        await scene.bad_moment(rng)
        scene.strike(kind)
        await server.kill(by)
        await pause(rng, 0, rng.choice([0.2, 4]))
        await server.start_again()


_FAULTS = (1, 1, 3, 4, 5, 6, 7)  # also a single one: only then is its recovery time its own
_PAUSES = (0.2, 1.0, 3.0, 7.0)
_ORDERS = 8
_BATCHES = (7, 20, 60, 200)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`faults`: each with the seconds to wait before it and its own random generator. `order`: the order of arrival."""

    seed: int
    faults: tuple[tuple[float, Fault, Random], ...]
    order: int
    batch_records: int


def plan(seed: int) -> Plan:
    """The plan of this seed, always the same. Which batch a fault meets depends on the machine."""
    rng = Random(f"plan {seed}")  # noqa: S311 - no secret
    return Plan(
        seed=seed,
        order=rng.randrange(_ORDERS),
        batch_records=rng.choice(_BATCHES),
        faults=tuple(
            (rng.choice(_PAUSES) * rng.random(), rng.choice(KINDS), Random(rng.random()))  # noqa: S311
            for _ in range(rng.choice(_FAULTS))
        ),
    )
