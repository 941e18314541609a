"""The progress of `load`, on a terminal and in a pipe."""

from pathlib import Path

import pexpect
import pytest

from support.events import definition, three_rewards
from support.files import write_file
from support.terminal import typed
from unenroll.ops import progress


def test_a_bar_is_shown_and_taken_away_before_the_result(database_url: str, tmp_path: Path) -> None:
    file = write_file(tmp_path, [definition(), *three_rewards(1)])
    terminal = typed("load", str(file.path), environment={"UNENROLL_DATABASE_URL": database_url})
    terminal.expect_exact("\u2501".encode())
    terminal.expect_exact(b"\x1b[2KLoaded 1 definition and 4 facts; skipped 0 duplicates.\r\n")
    terminal.expect_exact(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


def test_an_interrupt_ends_a_load_that_waits_for_somebody_to_type(database_url: str) -> None:
    terminal = typed("load", "-", environment={"UNENROLL_DATABASE_URL": database_url})
    terminal.expect_exact("\u2501".encode())
    terminal.sendline(definition())
    terminal.expect(rb"[1-9][0-9]*/\? bytes")
    terminal.sendintr()
    terminal.expect_exact(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130


def test_in_a_pipe_progress_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with progress.progress("load", 2_000_000) as read:
        read(1_000_000)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    with progress.progress("load", 2_000_000) as read:
        read(500_000)
        read(1_000_000)
    with progress.progress("load", None) as read:
        read(7)
    assert capsys.readouterr().err.splitlines() == [
        "load: 500.0 kB of 2.0 MB, less than a second left",
        "load: 1.5 MB of 2.0 MB, less than a second left",
        "load: 7 bytes",
    ]
