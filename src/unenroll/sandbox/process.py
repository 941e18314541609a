"""A server that runs as a process of ours, tied to our life."""

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
from unenroll.sandbox import supervisor as tether

T = TypeVar("T")


async def start_together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All results, in order. The first failure cancels the rest and is raised as it is, in no group."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(piece) for piece in work]
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    return [task.result() for task in tasks]


Say = Callable[[str], None]

PATIENCE_SECONDS = 2.0


@asynccontextmanager
async def show_progress(say: Say, describe: Callable[[], str]) -> AsyncIterator[None]:
    """Every two seconds of the body, says what `describe` returns, unless that was the last thing said."""
    ticking = asyncio.create_task(_tell(say, describe))
    try:
        yield
    finally:
        ticking.cancel()


async def _tell(say: Say, describe: Callable[[], str]) -> None:
    said = ""
    while True:
        await asyncio.sleep(PATIENCE_SECONDS)
        if (text := describe()) != said:
            say(text)
            said = text


class SandboxError(SetupError):
    """The embedded servers cannot be had. A retry cannot help."""


class ExtraMissingError(SandboxError):
    """A package of the extra `sandbox` is not installed. A retry cannot help."""


class ChecksumError(SandboxError):
    """A jar is not the one that the lock names. A retry cannot help."""


class ServerEndedError(SandboxError):
    """A server ended before it answered; the text ends with the last lines of its log. A retry cannot help."""


GRACE_SECONDS = 15
ANSWER_SECONDS = 120
ASK_AGAIN_SECONDS = 0.05
LAST_LINES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerProgram:
    """What to run in a folder, where clients reach it, and, as root, whom to run it as: user id and group id."""

    name: str
    command: tuple[str, ...]
    folder: Path
    ends_by: Signals
    address: str = ""
    owner: tuple[int, int] | None = None
    removes_folder: bool = False

    @property
    def log(self) -> Path:
        """The file that holds what it says, from its last start on."""
        return self.folder / f"{self.name.lower()}.log"


class ServerProcess:
    """A running program. Whoever has one ends it; if nobody is left to do so, it ends by itself."""

    def __init__(self, program: ServerProgram, process: Process) -> None:
        self.program = program
        self._process = process

    @property
    def gone(self) -> bool:
        """Whether it has ended."""
        return self._process.returncode is not None

    async def ended(self) -> int:
        """Its exit code, once it has ended; 128 and the signal's number if a signal ended it."""
        return await self._process.wait()

    async def end(self) -> None:
        """Asks it to end, kills it after 15 s, and waits until it is gone."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()

    def last_words(self) -> str:
        """The last lines of its log."""
        lines = self.program.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LAST_LINES:])


async def launch(program: ServerProgram) -> ServerProcess:
    """The program, running and not yet known to answer."""
    with program.log.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *_tethered(program), stdin=PIPE, stdout=log, stderr=STDOUT, cwd=program.folder, start_new_session=True
        )
    return ServerProcess(program, process)


def _tethered(program: ServerProgram) -> list[str]:
    settings = ["--signal", str(int(program.ends_by)), "--grace", str(GRACE_SECONDS)]
    if program.owner is not None:
        user, group = program.owner
        settings += ["--user", str(user), "--group", str(group)]
    if program.removes_folder:
        settings += ["--remove", str(program.folder)]
    return [sys.executable, "-I", "-S", tether.__file__, *settings, "--", *program.command]


async def start(program: ServerProgram, *, answers: Callable[[], Awaitable[bool]]) -> ServerProcess:
    """The program, once it answers. Raises ServerEndedError if it ends before, or does not answer within 120 s."""
    server = await launch(program)
    try:
        await _answering(server, answers)
    except BaseException:
        await server.end()
        raise
    return server


async def _answering(server: ServerProcess, answers: Callable[[], Awaitable[bool]]) -> None:
    name = server.program.name
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            while not server.gone:
                if await answers():
                    return
                await asyncio.sleep(ASK_AGAIN_SECONDS)
    except TimeoutError:
        what = f"{name} did not answer within {ANSWER_SECONDS} s"
    else:
        what = f"{name} ended before it answered, exit code {await server.ended()}"
    raise ServerEndedError(f"{what}. The last it said:\n{server.last_words()}")


async def completed(program: ServerProgram) -> None:
    """Runs the program to its end. Raises ServerEndedError unless its exit code is 0."""
    server = await launch(program)
    try:
        code = await server.ended()
    finally:
        await server.end()
    if code != 0:
        raise ServerEndedError(f"{program.name} failed, exit code {code}. The last it said:\n{server.last_words()}")
