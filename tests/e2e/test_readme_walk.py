"""The walk through of the README, word for word but for the clock, in an empty folder with servers of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from agree.pages import README, ROOT, Command, commands, section
from support.terminal import without_clock
from support.workers import wait_until

START, *STEPS = commands(section(README, "Walk through"))
_PATIENCE_SECONDS = 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the commands see of the repository."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    return tmp_path


def test_each_command_of_the_walk_prints_what_the_readme_shows(folder: Path) -> None:
    with started(START, folder):
        for step in STEPS:
            found = without_clock(printed(step, folder))
            assert (step.words, found) == (step.words, without_clock(step.output))


def test_the_walk_leads_from_the_sandbox_to_the_reason() -> None:
    assert [step.words[1] for step in (START, *STEPS)] == [
        *("sandbox", "migrate", "topics", "load", "publish", "run", "explain")
    ]
    assert all(word in STEPS[-1].output for word in ("UNENROLLED", "CANCELLED VOID", "PERIOD_END_LOST"))


def printed(step: Command, folder: Path) -> str:
    """What the command prints. It must end well."""
    done = subprocess.run(
        program(step),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=_PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip("\n")


@contextmanager
def started(command: Command, folder: Path) -> Iterator[None]:
    """The servers, up to an interrupt from the keyboard, after which they end well."""
    file = folder / command.words[-1]
    with subprocess.Popen(program(command), cwd=folder, env=environment()) as process:
        try:
            wait_until(lambda: file.exists() or process.poll() is not None, str(file), seconds=_PATIENCE_SECONDS)
            assert process.poll() is None
            yield
            process.send_signal(signal.SIGINT)
            assert process.wait(_PATIENCE_SECONDS) == 0
        finally:
            process.kill()


def program(command: Command) -> list[str]:
    name, *arguments = command.words
    return [sys.executable, "-m", name, *arguments]


def environment() -> Mapping[str, str]:
    """As in a new terminal: no setting of ours, except for where downloads are kept."""
    return {name: value for name, value in os.environ.items() if name == "UNENROLL_CACHE" or "UNENROLL_" not in name}
