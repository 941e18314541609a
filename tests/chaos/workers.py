"""Several real workers: started, killed, stopped, and restarted as a supervisor does."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path


class Worker:
    """A running `unenroll run`, whose log stays readable after its end."""

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        self._log = log
        with log.open("wb") as result:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "unenroll", "run"],
                env={**_bare(), **environment},
                stdin=subprocess.DEVNULL,
                stdout=result,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
            )

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.poll()

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float) -> None:
        """Wait for the end, and kill it after this many seconds."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.end()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def _bare() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("UNENROLL_")}


_STOP_SECONDS = 90.0
_LOOK_SECONDS = 0.5
_JOINED = '"lanes_assigned"'
_CANNOT_START = (1, -signal.SIGTERM)  # or SIGTERM came before it had installed its handler
_MOST_CHARACTERS = 300


@dataclass(kw_only=True)
class WorkerCrew:
    """The workers by post. Their logs are in the folder.

    `unexpected_ends` has a sentence for each worker that ended by itself or with an error. `false_starts` counts those
    that could not start while a server was down: they may end. `log_events` counts the events of all logs.
    """

    environment: Mapping[str, str]
    folder: Path
    posts: dict[str, Worker] = field(default_factory=dict)
    turns: dict[str, asyncio.Lock] = field(default_factory=dict)
    unexpected_ends: list[str] = field(default_factory=list)
    false_starts: int = 0
    log_events: Counter[str] = field(default_factory=Counter)
    _started: int = 0

    def start(self, post: str) -> None:
        self._started += 1
        self.posts[post] = Worker(self.folder / f"{self._started:03}-{post}.log", self.environment)

    def turn(self, post: str) -> asyncio.Lock:
        """The lock that a fault holds while it acts on the worker at this post."""
        return self.turns.setdefault(post, asyncio.Lock())

    async def kill(self, post: str) -> None:
        self.posts[post].send_signal(signal.SIGKILL)
        await self._wait_for_end(post)

    async def stop(self, post: str) -> None:
        """Stop the worker with SIGTERM, as an operator does. It must end with exit code 0."""
        self.posts[post].send_signal(signal.SIGTERM)
        worker = await self._wait_for_end(post)
        if worker.code != 0:
            self._note_end(worker, f"worker {post} was asked to stop")

    async def supervise(self) -> None:
        """Restart each worker that ends, as a supervisor does, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for post, worker in list(self.posts.items()):
                if worker.code is not None and not self.turn(post).locked():
                    self._note_end(await self._wait_for_end(post), f"worker {post} was not asked to stop")
                    self.start(post)

    async def leave(self) -> None:
        """Stop all workers."""
        await asyncio.gather(*(self.stop(post) for post in list(self.posts)))

    def end(self) -> None:
        """Kill all workers."""
        for worker in self.posts.values():
            worker.end()

    async def _wait_for_end(self, post: str) -> Worker:
        worker = self.posts[post]
        await asyncio.to_thread(worker.wait, _STOP_SECONDS)
        del self.posts[post]
        self.log_events.update(_events(worker.log()))
        return worker

    def _note_end(self, worker: Worker, how: str) -> None:
        log = worker.log()
        if worker.code in _CANNOT_START and _JOINED not in log:
            self.false_starts += 1
            return
        last = (log.strip().splitlines() or ["it logged nothing"])[-1][:_MOST_CHARACTERS]
        self.unexpected_ends.append(f"{how} and ended with {worker.code}: {last}")


def _events(log: str) -> Iterator[str]:
    """The event names of a log."""
    for line in log.splitlines():
        try:
            yield str(json.loads(line).get("event"))
        except (ValueError, AttributeError):
            continue  # a traceback, or the half of a line at which it was killed
