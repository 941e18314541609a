"""The real command in a process of its own, with its log for a failing test to show.

The process is forked from one that has imported the program and done nothing else: an import takes a second, longer
than most of what the tests let the command do.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Event, Lock, Thread
from typing import IO, NamedTuple

from support.worker_faults import live_until
from unenroll.cli import main

_DEADLINE_SECONDS = 60.0

_ONE_AT_A_TIME = Lock()
"""Python polls all child processes when it starts one, and fails on one that another thread closes just then."""

_READY = get_context("forkserver")
_READY.set_forkserver_preload(["__main__", "unenroll.cli", "support.frozen"])


class Streams(NamedTuple):
    """The files that a command reads and writes."""

    stdin: str
    out: str
    err: str


class RunningCommand:
    """A started command."""

    def __init__(
        self, program: Callable[[], object], arguments: tuple[str, ...], environment: Mapping[str, str]
    ) -> None:
        self._log: IO[bytes] = NamedTemporaryFile()  # noqa: SIM115 - closed by `end`
        streams = Streams(os.devnull, self._log.name, self._log.name)
        try:
            self._process = _started(program, arguments, environment, streams)
        except BaseException:
            self._log.close()
            raise

    @property
    def ended(self) -> bool:
        return self._process.exitcode is not None

    def output(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def wait(self, seconds: float = _DEADLINE_SECONDS) -> int:
        """Wait for the end and return the exit code."""
        self._process.join(seconds)
        code = self._process.exitcode
        assert code is not None, f"still running after {seconds} s:\n{self.output()}"
        return code

    def wait_for_log(self, words: str, *, times: int = 1) -> None:
        """Wait until the log contains the words this many times."""

        def said() -> bool:
            return self.output().count(words) >= times

        wait_until(lambda: said() or self.ended, words, show=self.output)
        assert said(), f"ended without {words!r}:\n{self.output()}"

    def send_signal(self, number: signal.Signals) -> None:
        if not self.ended:
            os.kill(self._process.pid or 0, number)

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        with _ONE_AT_A_TIME:
            self._process.close()
        self._log.close()


@contextmanager
def running_command(*arguments: str, environment: Mapping[str, str]) -> Iterator[RunningCommand]:
    """Run `unenroll` with these arguments. The end of the block kills it if it still runs."""
    with _ended(RunningCommand(main, arguments, environment)) as command:
        yield command


@contextmanager
def command_with_fault(
    fault: str, phase: str, *arguments: str, environment: Mapping[str, str]
) -> Iterator[RunningCommand]:
    """Run the command, and apply the fault when its first batch with outputs reaches the phase."""
    with _ended(RunningCommand(partial(live_until, fault, phase), arguments, environment)) as command:
        yield command


@contextmanager
def command_that_kills_itself(phase: str, *arguments: str, environment: Mapping[str, str]) -> Iterator[RunningCommand]:
    """Run the command, which kills itself at the phase."""
    with command_with_fault("killed", phase, *arguments, environment=environment) as command:
        yield command


@contextmanager
def _ended(command: RunningCommand) -> Iterator[RunningCommand]:
    try:
        yield command
    finally:
        command.end()


def run_command(*arguments: str, environment: Mapping[str, str], code: int = 0) -> str:
    """Run the command to its end and return its output. Fails unless it ends with this exit code."""
    with running_command(*arguments, environment=environment) as command:
        found = command.wait()
        assert found == code, f"exit code {found}, not {code}:\n{command.output()}"
        return command.output()


def run_with_input(*arguments: str, environment: Mapping[str, str], stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    """Run the command and return its exit code, standard output and standard error."""
    with NamedTemporaryFile() as source, NamedTemporaryFile() as out, NamedTemporaryFile() as err:
        source.write(stdin)
        source.flush()
        process = _started(main, arguments, environment, Streams(source.name, out.name, err.name))
        process.join(_DEADLINE_SECONDS)
        code = process.exitcode
        if code is None:
            process.kill()
        assert code is not None, f"still running after {_DEADLINE_SECONDS} s:\n{err.read().decode()}"
        return code, out.read(), err.read()


def wait_until(
    condition: Callable[[], bool], what: str, *, seconds: float = _DEADLINE_SECONDS, show: Callable[[], str] = str
) -> None:
    """Wait for the condition. Fails after the deadline, with the text that `show` returns."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}\n{show()}"
        time.sleep(0.02)  # a poll interval, with a deadline


def _started(
    program: Callable[[], object], arguments: tuple[str, ...], environment: Mapping[str, str], streams: Streams
) -> BaseProcess:
    process = _READY.Process(target=_become, args=(program, arguments, {**_bare(), **environment}, streams))
    with _ONE_AT_A_TIME:
        process.start()
    return process


def _become(
    program: Callable[[], object], arguments: tuple[str, ...], environment: Mapping[str, str], streams: Streams
) -> None:
    """Become the command: set arguments, environment and streams, and change to a folder without `.env`."""
    os.chdir(Path(__file__).parent)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["unenroll", *arguments]
    os.dup2(os.open(streams.stdin, os.O_RDONLY), 0)
    os.dup2(os.open(streams.out, os.O_WRONLY | os.O_APPEND), 1)
    os.dup2(os.open(streams.err, os.O_WRONLY | os.O_APPEND), 2)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - it was another's
    program()


def _bare() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("UNENROLL_")}


@contextmanager
def in_background(work: Callable[[Event], None]) -> Iterator[None]:
    """Run the work in a thread until the block ends. Then set the event that it got, and wait for its end."""
    stopping = Event()
    thread = Thread(target=work, args=(stopping,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
