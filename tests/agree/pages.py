"""Our pages as tests read them: tables, code blocks, links."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = sorted([README, ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/*.md")])


class Command(NamedTuple):
    """A command line behind a prompt, as words, and the lines shown below it."""

    words: tuple[str, ...]
    output: str


def tracked() -> list[Path]:
    """The files of this checkout that git knows, relative to its root."""
    command = ["git", "ls-files", "-z"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [Path(name) for name in done.stdout.strip("\0").split("\0")]


def section(page: Path, title: str) -> str:
    """The text below a heading of level 2 or 3, up to the next one of its level or above."""
    parts = re.split(rf"^(##|###) {re.escape(title)}\n", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(parts) == 3, f"{page.name} has the heading {title!r} {len(parts) // 2} times"
    return re.split(rf"^#{{1,{len(parts[1])}}} ", parts[2], maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of the only table in the text, without its heads and without backticks."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines[2:]]


def commands(text: str) -> list[Command]:
    """What the code blocks of the text show: each line behind a prompt, with what is below it."""
    return [command for kind, block in blocks(text) if kind == "console" for command in _shown(block)]


def blocks(text: str) -> list[tuple[str, str]]:
    """The code blocks of the text, each with its kind."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[Path]:
    """The files and folders of ours that the page links to."""
    found = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    return [(page.parent / target).resolve() for target in found if "://" not in target]


def variables(text: str) -> set[str]:
    """The environment variables of ours that the text names."""
    return set(re.findall(r"\bUNENROLL_[A-Z_]*[A-Z]\b", text))


def _shown(block: str) -> Iterator[Command]:
    for shown in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        line, _, output = shown.partition("\n")
        yield Command(tuple(shlex.split(line)), output.strip("\n"))
