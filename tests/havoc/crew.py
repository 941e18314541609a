"""Several real workers, each at its post: ended one way or another, and put back there."""

import asyncio
import json
import signal
import subprocess
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from stage.workers import Running

_STOP_SECONDS = 90.0
_LOOK_SECONDS = 0.5
_JOINED = '"lanes assigned"'
_CANNOT_START = (1, -signal.SIGTERM)  # or asked to stop before it could listen
_MOST_CHARACTERS = 300


@dataclass(kw_only=True)
class Crew:
    """The workers by post. Logs are kept in the folder.

    `strays` are those that ended otherwise than they must. One that cannot start while a server is away may end:
    of these there is only the number.
    """

    environment: Mapping[str, str]
    folder: Path
    posts: dict[str, Running] = field(default_factory=dict)
    turns: dict[str, asyncio.Lock] = field(default_factory=dict)
    strays: list[str] = field(default_factory=list)
    false_starts: int = 0
    said: Counter[str] = field(default_factory=Counter)
    logs: list[str] = field(default_factory=list)

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
        worker = self.posts[post]
        await self._gone(post)
        self._ended(post, worker, "was asked to stop")

    async def supervise(self) -> None:
        """Start again whoever ends by itself, as a supervisor would, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for post, worker in list(self.posts.items()):
                if worker.process.poll() is not None and not self.turn(post).locked():
                    await self._gone(post)
                    self._ended(post, worker, "was not asked")
                    self.start(post)

    async def leave(self) -> None:
        """Everybody stops."""
        await asyncio.gather(*(self.stop(post) for post in list(self.posts)))

    def end(self) -> None:
        """Nobody is left, whatever happened."""
        for post in list(self.posts):
            self._keep(post, self.posts.pop(post))

    async def _gone(self, post: str) -> None:
        worker = self.posts[post]
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(worker.process.wait, _STOP_SECONDS)
        self._keep(post, self.posts.pop(post))

    def _ended(self, post: str, worker: Running, how: str) -> None:
        """Note it unless the worker was asked to stop and did so in order."""
        code = worker.process.returncode
        log = self.logs[-1]
        if code == 0 and how == "was asked to stop":
            return
        if code in _CANNOT_START and _JOINED not in log:
            self.false_starts += 1
            return
        last = (log.strip().splitlines() or ["it said nothing"])[-1][:_MOST_CHARACTERS]
        self.strays.append(f"worker {post} {how} and ended with {code}: {last}")

    def _keep(self, post: str, worker: Running) -> None:
        log = worker.output()
        self.logs.append(log)
        (self.folder / f"{len(self.logs):03}-{post}.log").write_text(log, encoding="utf-8")
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
