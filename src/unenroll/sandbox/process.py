"""Starts a server as a child process, waits until it answers, and stops it."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Any, TypeVar

from unenroll.errors import SetupError
from unenroll.sandbox import supervisor

GRACE_SECONDS = 15
ANSWER_SECONDS = 120
POLL_SECONDS = 0.05
PROGRESS_SECONDS = 2.0
TAIL_LINES = 20

Say = Callable[[str], None]
"""Prints one line of progress."""

T = TypeVar("T")


class SandboxError(SetupError):
    """The embedded servers cannot be started. A retry cannot help."""


class ExtraMissingError(SandboxError):
    """A package of the extra `sandbox` is not installed. A retry cannot help."""


class ChecksumError(SandboxError):
    """The checksum of a jar is not the one in kafka.lock. A retry cannot help."""


class ServerEndedError(SandboxError):
    """A server ended before it answered. The text ends with the last lines of its log. A retry cannot help."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerProgram:
    """A command, the folder that it runs in, and the address at which clients reach it.

    `owner` is the user id and group id to run it as, for a parent that is root. `removes_folder`: the folder is
    deleted when the server ends.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    stop_signal: Signals
    address: str = ""
    owner: tuple[int, int] | None = None
    removes_folder: bool = False

    @property
    def log(self) -> Path:
        """The file with the output of its latest start."""
        return self.folder / f"{self.name.lower()}.log"


class ServerProcess:
    """A running program. The caller stops it; if this process dies, the supervisor stops it."""

    def __init__(self, program: ServerProgram, process: Process) -> None:
        self.program = program
        self._process = process

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.returncode is not None

    async def wait(self) -> int:
        """Wait for the end and return the exit code: 128 plus the signal's number if a signal ended it."""
        return await self._process.wait()

    async def stop(self) -> None:
        """Send the stop signal, kill the process after 15 s, and wait for its end."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()

    def log_tail(self) -> str:
        """The last lines of the log."""
        lines = self.program.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])


async def start(program: ServerProgram, *, answers: Callable[[], Awaitable[bool]]) -> ServerProcess:
    """Start the program and wait until `answers` returns true.

    Raises ServerEndedError if the program ends first, or does not answer within 120 s.
    """
    server = await launch(program)
    try:
        await _wait_for_answer(server, answers)
    except BaseException:
        await server.stop()
        raise
    return server


async def run_to_end(program: ServerProgram) -> None:
    """Run the program to its end. Raises ServerEndedError unless its exit code is 0."""
    server = await launch(program)
    try:
        code = await server.wait()
    finally:
        await server.stop()
    if code != 0:
        raise _ended(server, f"{program.name} failed with exit code {code}")


async def launch(program: ServerProgram) -> ServerProcess:
    """Start the program without waiting for an answer."""
    with program.log.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *_supervised(program), stdin=PIPE, stdout=log, stderr=STDOUT, cwd=program.folder, start_new_session=True
        )
    return ServerProcess(program, process)


def _supervised(program: ServerProgram) -> list[str]:
    """The command line of the supervisor that runs the program."""
    options = ["--signal", str(int(program.stop_signal)), "--grace", str(GRACE_SECONDS)]
    if program.owner is not None:
        user, group = program.owner
        options += ["--user", str(user), "--group", str(group)]
    if program.removes_folder:
        options += ["--remove", str(program.folder)]
    return [sys.executable, "-I", "-S", supervisor.__file__, *options, "--", *program.command]


async def _wait_for_answer(server: ServerProcess, answers: Callable[[], Awaitable[bool]]) -> None:
    name = server.program.name
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            while not server.has_ended:
                if await answers():
                    return
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise _ended(server, f"{name} did not answer within {ANSWER_SECONDS} s") from None
    raise _ended(server, f"{name} ended before it answered, with exit code {await server.wait()}")


def _ended(server: ServerProcess, failure: str) -> ServerEndedError:
    return ServerEndedError(f"{failure}. The last lines of its log:\n{server.log_tail()}")


async def run_together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run the coroutines together and return their results in order.

    The first failure cancels the others and is raised itself, not in an exception group.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


@asynccontextmanager
async def show_progress(say: Say, describe: Callable[[], str]) -> AsyncIterator[None]:
    """While the block runs, say every 2 s what `describe` returns, if it has changed."""
    reporting = asyncio.create_task(_report(say, describe))
    try:
        yield
    finally:
        reporting.cancel()


async def _report(say: Say, describe: Callable[[], str]) -> None:
    last = ""
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        if (text := describe()) != last:
            say(text)
            last = text
