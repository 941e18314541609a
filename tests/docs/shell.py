"""One bash in which the blocks of a page run as they stand there, in their order."""

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from tempfile import TemporaryFile
from typing import IO

from docs.shown import Block, Step, shell_blocks
from docs.shown import blocks as all_blocks
from support.terminal import without_clock
from support.workers import wait_until

_SECONDS = 120.0
_BETWEEN = "..."


class Shell:
    """A bash that is fed one command after the other, with nothing to read and no terminal."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._errors: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed by `end`
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-o", "pipefail"],  # noqa: S607 - whichever bash there is
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )

    def run(self, step: Step) -> str:
        """What the command prints on standard output. It must end with the code that the page says."""
        end = f"end-{secrets.token_hex(8)}"
        assert self._process.stdin
        self._process.stdin.write(f"{{ {step.command}\n}} </dev/null; printf '\\n%s %s\\n' {end} $?\n".encode())
        self._process.stdin.flush()
        printed, code = self._until(end)
        assert code == step.code, f"$ {step.command}\nended with {code}:\n{printed}\n{self.errors()}"
        return printed.strip("\n")

    def start(self, step: Step) -> None:
        """Let the command go on, in place of the shell."""
        assert self._process.stdin
        self._process.stdin.write(f"exec {step.command} </dev/null\n".encode())
        self._process.stdin.flush()

    def interrupt(self) -> int:
        """As Ctrl-C would. Returns the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(_SECONDS)

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def end(self) -> None:
        """With all that it started."""
        if not self.ended:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._errors.close()

    def _until(self, end: str) -> tuple[str, int]:
        read, deadline = b"", time.monotonic() + _SECONDS
        ending = re.compile(rf"\n{end} (\d+)\n".encode())
        assert self._process.stdout
        with DefaultSelector() as ready:
            ready.register(self._process.stdout, EVENT_READ)
            while not (found := ending.search(read)):
                assert time.monotonic() < deadline, f"no end after {_SECONDS} s:\n{read.decode()}\n{self.errors()}"
                if ready.select(timeout=1):
                    more = os.read(self._process.stdout.fileno(), 65_536)
                    assert more, f"the shell has ended:\n{read.decode()}\n{self.errors()}"
                    read += more
        return read[: found.start()].decode(), int(found[1])


@contextmanager
def shell(folder: Path) -> Iterator[Shell]:
    """A bash in this folder, for which `unenroll` and `python` are those that the tests run with."""
    own = folder / ".path"
    own.mkdir(exist_ok=True)
    for name, words in {"unenroll": "-m unenroll", "python": ""}.items():
        (own / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (own / name).chmod(0o755)
    path = {"PATH": f"{own}:{os.environ['PATH']}"}
    started = Shell(folder, {**_bare(), **path})
    try:
        yield started
    finally:
        started.end()


def play(page: Path, folder: Path, *, section: str = "", called: Mapping[str, str] | None = None) -> list[str]:
    """Save the files of the page and run its commands, in order. Returns the commands that were run.

    `section`: only this one. `called`: names of the test's own, and what the page calls them.
    """
    played: list[str] = []
    with shell(folder) as main:
        for block in all_blocks(page):
            if section not in {"", block.section}:
                continue
            if block.file:
                (folder / block.file).write_text(block.text)
            elif block in shell_blocks(page) and block.why_not is None and not block.alone:
                for step in block.steps():
                    printed = main.run(step)
                    for own, name in (called or {}).items():
                        printed = printed.replace(own, name)
                    check(step, printed, block)
                    played.append(step.command)
    return played


def check(step: Step, printed: str, block: Block) -> None:
    """What is shown below the command is what it printed, but for the clock."""
    if step.output:
        shown, found = without_clock(step.output), without_clock(printed)
        where = f"{block.page.name}, line {block.line}: $ {step.command}"
        assert _fits(shown.splitlines(), found.splitlines()), f"{where}\nshown:\n{shown}\n\nprinted:\n{found}"


@contextmanager
def going_on(block: Block, folder: Path, *, until: Path) -> Iterator[Shell]:
    """The block's one command in a terminal of its own, once this file is there, up to an interrupt: it ends well."""
    (step,) = block.steps()
    with shell(folder) as other:
        other.start(step)
        wait_until(lambda: until.exists() or other.ended, str(until), seconds=_SECONDS, show=other.errors)
        assert not other.ended, other.errors()
        yield other
        assert other.interrupt() == 0, other.errors()


def _fits(shown: list[str], printed: Iterable[str]) -> bool:
    wanted = "\n".join(line.rstrip() for line in shown)
    parts = [re.escape(part) for part in re.split(rf"^{re.escape(_BETWEEN)}$", wanted, flags=re.MULTILINE)]
    found = "\n".join(line.rstrip() for line in printed)
    return re.fullmatch("(?:.|\n)*?".join(parts), found) is not None


def _bare() -> dict[str, str]:
    """As in a new terminal: no setting of ours, except for where downloads are kept."""
    return {name: value for name, value in os.environ.items() if name == "UNENROLL_CACHE" or "UNENROLL_" not in name}
