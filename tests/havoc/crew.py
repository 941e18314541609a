"""Several real workers, each at its post: ended one way or another, and put back there."""

import asyncio
import json
import signal
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stage.workers import Running

_STOP_SECONDS = 90.0
_LOOK_SECONDS = 0.5


@dataclass(kw_only=True)
class Crew:
    """The workers by post. `strays` are those that ended by themselves. Logs are kept in the folder."""

    environment: Mapping[str, str]
    folder: Path
    posts: dict[str, Running] = field(default_factory=dict)
    turns: dict[str, asyncio.Lock] = field(default_factory=dict)
    strays: list[str] = field(default_factory=list)
    said: Counter[str] = field(default_factory=Counter)
    _logs: int = 0

    def start(self, post: str) -> None:
        self.posts[post] = Running(("-m", "unenroll"), ("run",), self.environment)

    def turn(self, post: str) -> asyncio.Lock:
        """Held by whoever does something to the worker at this post."""
        return self.turns.setdefault(post, asyncio.Lock())

    async def kill(self, post: str) -> None:
        self.posts[post].tell(signal.SIGKILL)
        await self._gone(post)

    async def stop(self, post: str) -> None:
        """As an operator does. It must end in order, and soon."""
        self.posts[post].tell(signal.SIGTERM)
        code = await self._gone(post)
        if code != 0:
            self.strays.append(f"worker {post} was asked to stop and ended with {code}")

    async def supervise(self) -> None:
        """Start again whoever ends by itself, as a supervisor would, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for post, worker in list(self.posts.items()):
                code = worker.process.poll()
                if code is not None and not self.turn(post).locked():
                    self.strays.append(f"worker {post} ended by itself with {code}: {_last_line(worker)}")
                    await self._gone(post)
                    self.start(post)

    async def leave(self) -> None:
        """Everybody stops."""
        await asyncio.gather(*(self.stop(post) for post in list(self.posts)))

    def end(self) -> None:
        """Nobody is left, whatever happened."""
        for post in list(self.posts):
            self._keep(post, self.posts.pop(post))

    async def _gone(self, post: str) -> int:
        worker = self.posts[post]
        try:
            code = await asyncio.to_thread(worker.process.wait, _STOP_SECONDS)
        except subprocess.TimeoutExpired:
            code = -1
        self._keep(post, self.posts.pop(post))
        return code

    def _keep(self, post: str, worker: Running) -> None:
        log = worker.output()
        self._logs += 1
        (self.folder / f"{self._logs:03}-{post}.log").write_text(log, encoding="utf-8")
        self.said.update(_events(log))
        worker.end()


def _events(log: str) -> list[str]:
    """What the lines of a log tell of."""
    found = []
    for line in log.splitlines():
        try:
            found.append(str(json.loads(line).get("event")))
        except (ValueError, AttributeError):
            continue  # a traceback, or the half of a line at which it was killed
    return found


def _last_line(worker: Running) -> str:
    return (worker.output().strip().splitlines() or ["it said nothing"])[-1][:300]
