"""The real command in a process of its own, with its log at hand when something goes wrong."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

_DEADLINE_SECONDS = 60.0


class Running:
    """A started command."""

    def __init__(self, program: tuple[str, ...], arguments: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self._log: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed by `end`
        self.process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            env={**_bare(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=Path(__file__).parent,
        )

    def output(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def wait(self, seconds: float = _DEADLINE_SECONDS) -> int:
        """The exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s:\n{self.output()}") from None

    def wait_to_say(self, words: str) -> None:
        """Wait until the log has these words."""
        wait_until(lambda: words in self.output() or self.process.poll() is not None, words, show=self.output)
        assert words in self.output(), f"ended without {words!r}:\n{self.output()}"

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._log.close()


@contextmanager
def running(*arguments: str, environment: Mapping[str, str]) -> Iterator[Running]:
    """The command `unenroll` with these arguments, killed at the end if it still runs."""
    with _started(Running(("-m", "unenroll"), arguments, environment)) as command:
        yield command


@contextmanager
def doomed(phase: str, *arguments: str, environment: Mapping[str, str]) -> Iterator[Running]:
    """The same, killed by itself when its first batch reaches the phase."""
    program = (str(Path(__file__).with_name("doomed.py")), phase)
    with _started(Running(program, arguments, environment)) as command:
        yield command


@contextmanager
def _started(command: Running) -> Iterator[Running]:
    try:
        yield command
    finally:
        command.end()


def run(*arguments: str, environment: Mapping[str, str], code: int = 0) -> str:
    """What the command printed. It must end with this exit code."""
    with running(*arguments, environment=environment) as command:
        found = command.wait()
        assert found == code, f"exit code {found}, not {code}:\n{command.output()}"
        return command.output()


def wait_until(
    condition: Callable[[], bool], what: str, *, seconds: float = _DEADLINE_SECONDS, show: Callable[[], str] = str
) -> None:
    """Wait for the condition. Fails after the deadline, with what `show` has to say."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}\n{show()}"
        time.sleep(0.02)  # between two looks, with a deadline


def _bare() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("UNENROLL_")}
