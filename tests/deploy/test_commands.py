"""What the pages for operators tell to run is there."""

import re

import pytest
import typer

from agree.pages import ROOT
from unenroll.cli.main import app

PROGRAM = typer.main.get_command(app)
PAGES = [ROOT / "docs/runbook.md", ROOT / "docs/deploy.md", ROOT / "deploy/kubernetes/README.md"]
TOLD = sorted(
    {
        (page.name, " ".join(command_line.split()))
        for page in PAGES
        for command_line in re.findall(
            r"(?:`|-- |^)unenroll ([^`\n>|]+)", page.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
)


@pytest.mark.parametrize(("page", "command_line"), TOLD)
def test_a_command_that_a_page_tells_to_run_is_there_with_its_options(page: str, command_line: str) -> None:
    del page
    command, words = PROGRAM, command_line.split()
    while isinstance(getattr(command, "commands", None), dict) and words and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
    options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    assert {word for word in words if word.startswith("--")} - options == set()


def test_pages_tell_to_run_what_looks_and_what_mends() -> None:
    assert {command_line.split()[0] for _, command_line in TOLD} >= {
        "status",
        "offsets",
        "dlq",
        "replay",
        "explain",
        "api-secret",
    }
