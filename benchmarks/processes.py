"""Programs in processes of their own: what they say is kept, and shown if they fail."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from tempfile import TemporaryDirectory
from typing import IO

_PATIENCE_SECONDS = 60.0
_LAST_CHARACTERS = 3000


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """A program that runs. What it writes to standard error is in `log`."""

    process: "subprocess.Popen[str]"
    log: Path

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self.process.pid

    def check(self) -> None:
        """Raise SystemExit, with the last it said, if it has ended."""
        if self.process.poll() is not None:
            raise SystemExit(f"a program ended with {self.process.returncode}:\n{self.last_words()}")

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-_LAST_CHARACTERS:]

    def line(self) -> str:
        """The next line that it prints. Raises SystemExit if it ends instead."""
        text = _pipe(self.process.stdout).readline()
        if not text:
            self.process.wait()
            self.check()
        return text

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        pipe = _pipe(self.process.stdin)
        pipe.write(line + "\n")
        pipe.flush()


@contextmanager
def running_programs(environment: Mapping[str, str], commands: Sequence[Sequence[str]]) -> Iterator[list[Running]]:
    """Each of the commands, running. They are ended with the block."""
    with TemporaryDirectory() as folder:
        started: list[Running] = []
        try:
            for number, command in enumerate(commands):
                log = Path(folder, f"{number}.log")
                started.append(_start(command, environment, log))
            yield started
        finally:
            for one in started:
                one.process.send_signal(SIGTERM)
            for one in started:
                _reap(one.process)


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module of Python's."""
    return (sys.executable, "-m", module, *arguments)


def unenroll(environment: Mapping[str, str], *arguments: str) -> str:
    """What our program prints. Raises SystemExit if it fails."""
    command, settings = python("unenroll", *arguments), {**os.environ, **environment}
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise SystemExit(f"unenroll {' '.join(arguments)} failed:\n{done.stderr[-_LAST_CHARACTERS:]}")
    return done.stdout


def _start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Running:
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603
            command,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    return Running(process=process, log=log)


def _reap(process: "subprocess.Popen[str]") -> None:
    try:
        process.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        _pipe(pipe).close()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise SystemExit("a process of the benchmark has no pipes")
    return pipe
