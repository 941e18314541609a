"""The tutorial, word for word but for the clock, with a sandbox of its own."""

from pathlib import Path

import pytest

from agree.pages import ROOT
from docs.shell import going_on, play
from docs.shown import shell_blocks

TUTORIAL = ROOT / "docs" / "tutorial.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the commands see of the repository."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    return tmp_path


@pytest.mark.thorough
@pytest.mark.timeout(600)  # a dozen commands and two servers, on a machine that may have much else to do
def test_each_command_of_the_tutorial_prints_what_is_shown(folder: Path) -> None:
    (servers,) = [block for block in shell_blocks(TUTORIAL) if block.alone]
    with going_on(servers, folder, until=folder / ".env"):
        played = play(TUTORIAL, folder)
    assert {command.split()[1] for command in played if command.startswith("unenroll ")} >= {
        *("load", "publish", "run", "explain", "status", "replay", "verify")
    }
