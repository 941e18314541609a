"""The kinds of faults. Each strikes, and is healed when it returns; several may be under way at once."""

import asyncio
import signal
from random import Random

import asyncpg

from chaos.killable_servers import Mortal
from chaos.round_scene import POSTS, Fault, Scene, pause

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
