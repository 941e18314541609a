"""Where faults happen: the crew, its servers, and the way to Postgres that can be cut."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any

from chaos.killable_servers import Mortals
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
