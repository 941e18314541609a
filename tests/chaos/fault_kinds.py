"""The kinds of faults, the scene in which they strike, and the plan of a round by its seed."""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any

import asyncpg

from chaos.killable_servers import Mortal, Mortals
from chaos.workers import Crew
from support.wire_cutter import Cutter

POSTS = ("one", "two")

_COMMIT_SECONDS = 3.0
_BETWEEN_COMMITS_SECONDS = 0.03


@dataclass(frozen=True, kw_only=True)
class Struck:
    """A fault, and when it struck, in seconds since 1970."""

    kind: str
    at: float


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a fault may lay hands on. It notes the moment at which it strikes."""

    crew: Crew
    servers: Mortals
    cutter: Cutter
    database: str
    struck: list[Struck] = field(default_factory=list)

    async def bad_moment(self, chance: Random) -> None:
        """Now, or as often while some worker is between its commits: what it decided is not published yet."""
        if chance.randrange(2):
            await self.cutter.commit_passes(seconds=_COMMIT_SECONDS)
            await pause(chance, 0, _BETWEEN_COMMITS_SECONDS)

    def strike(self, kind: str) -> None:
        self.struck.append(Struck(kind=kind, at=time.time()))


Fault = Callable[[Scene, Random], Coroutine[Any, Any, None]]


async def pause(chance: Random, least: float, most: float) -> None:
    """Let some time pass: when it happens is what chance is for."""
    await asyncio.sleep(chance.uniform(least, most))


_SESSION_SECONDS = 6.0


async def worker_killed(scene: Scene, chance: Random) -> None:
    """kill -9; it starts again at once or after its lanes have moved."""
    post = chance.choice(POSTS)
    async with scene.crew.turn(post):
        await scene.bad_moment(chance)
        scene.strike("worker killed")
        await scene.crew.kill(post)
        await pause(chance, 0, chance.choice([0.5, 9]))
        scene.crew.start(post)


async def all_workers_killed(scene: Scene, chance: Random) -> None:
    """As when the power fails; they start again one after the other."""
    async with scene.crew.turn(POSTS[0]), scene.crew.turn(POSTS[1]):
        await scene.bad_moment(chance)
        scene.strike("all workers killed")
        await asyncio.gather(*map(scene.crew.kill, POSTS))
        for post in POSTS:
            await pause(chance, 0, 2)
            scene.crew.start(post)


async def worker_frozen(scene: Scene, chance: Random) -> None:
    """A zombie: it sleeps until others have its lanes, and wakes up in the middle of what it did."""
    post = chance.choice(POSTS)
    async with scene.crew.turn(post):
        await scene.bad_moment(chance)
        scene.strike("worker frozen")
        scene.crew.posts[post].tell(signal.SIGSTOP)
        await pause(chance, *chance.choice([(0.5, 3.0), (_SESSION_SECONDS + 1, _SESSION_SECONDS + 6)]))
        scene.crew.posts[post].tell(signal.SIGCONT)


async def worker_stopped(scene: Scene, chance: Random) -> None:
    """SIGTERM, as in a rolling restart."""
    post = chance.choice(POSTS)
    async with scene.crew.turn(post):
        scene.strike("worker stopped")
        await scene.crew.stop(post)
        await pause(chance, 0, 2)
        scene.crew.start(post)


async def worker_joins(scene: Scene, chance: Random) -> None:
    """A third worker comes, and leaves in order or not."""
    post = "guest"
    async with scene.crew.turn(post):
        scene.strike("worker joins")
        scene.crew.start(post)
        await pause(chance, 2, 8)
        await (scene.crew.stop if chance.randrange(2) else scene.crew.kill)(post)


async def broker_killed(scene: Scene, chance: Random) -> None:
    await _down(scene, scene.servers.kafka, signal.SIGKILL, kind="broker killed", chance=chance)


async def broker_restarted(scene: Scene, chance: Random) -> None:
    await _down(scene, scene.servers.kafka, signal.SIGTERM, kind="broker restarted", chance=chance)


async def postgres_shut_down(scene: Scene, chance: Random) -> None:
    """Immediate shutdown: it recovers from its log."""
    await _down(scene, scene.servers.postgres, signal.SIGQUIT, kind="Postgres shut down", chance=chance)


async def backends_terminated(scene: Scene, chance: Random) -> None:
    """All connections are ended, some times in a row."""
    async with scene.servers.postgres.turn:
        scene.strike("backends terminated")
        for _ in range(chance.randint(1, 5)):
            connection = await asyncpg.connect(scene.servers.postgres.address)
            await connection.fetch(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", scene.database
            )
            await connection.close()
            await pause(chance, 0, 0.5)


async def commits_unanswered(scene: Scene, chance: Random) -> None:
    """The connection is cut behind COMMITs: they happen, and nobody hears of it."""
    scene.strike("commits unanswered")
    scene.cutter.left += chance.randint(1, 3)
    await pause(chance, 0.5, 2)


async def commits_lost(scene: Scene, chance: Random) -> None:
    """The connection is cut before COMMITs: they never happen."""
    scene.strike("commits lost")
    scene.cutter.lost += chance.randint(1, 3)
    await pause(chance, 0.5, 2)


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
)


async def _down(scene: Scene, server: Mortal, by: signal.Signals, *, kind: str, chance: Random) -> None:
    async with server.turn:
        await scene.bad_moment(chance)
        scene.strike(kind)
        await server.fall(by)
        await pause(chance, 0, chance.choice([0.2, 4]))
        await server.rise()


_FAULTS = (1, 1, 3, 4, 5, 6, 7)  # alone as well: only then does a recovery time say what it seems to say
_PAUSES = (0.2, 1.0, 3.0, 7.0)
_ORDERS = 8
_BATCHES = (7, 20, 60, 200)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`faults`: each with the seconds to wait before it, and its own chance. `order`: of arrival."""

    seed: int
    faults: tuple[tuple[float, Fault, Random], ...]
    order: int
    batch_records: int


def plan(seed: int) -> Plan:
    """The same plan of the same seed. Whom exactly a fault meets at what is up to the machine."""
    chance = Random(f"plan {seed}")  # noqa: S311 - no secret
    return Plan(
        seed=seed,
        order=chance.randrange(_ORDERS),
        batch_records=chance.choice(_BATCHES),
        faults=tuple(
            (chance.choice(_PAUSES) * chance.random(), chance.choice(KINDS), Random(chance.random()))  # noqa: S311
            for _ in range(chance.choice(_FAULTS))
        ),
    )
