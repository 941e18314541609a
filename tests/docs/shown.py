"""The blocks of a page, with what a comment above each says about it.

`<!-- not run: why -->` a shell block that no test runs. `<!-- in a terminal of its own -->` one that goes on while the
others run. `<!-- ends with 1 -->` one whose last command fails so. `<!-- file: NAME -->` a block that is to be saved.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agree.pages import ROOT

SHELL = frozenset({"console", "sh", "bash", "shell"})
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "deploy" / "README.md", ROOT / "benchmarks" / "README.md"]
)

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]+?) -->\n+)?^(?P<indent> *)```(?P<kind>\w*)[^\n]*\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
_NOT_RUN = "not run: "
_ALONE = "in a terminal of its own"
_FILE = "file: "
_ENDS = "ends with "


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command, and the output shown below it. `...` alone in a line stands for any lines."""

    command: str
    output: str
    code: int = 0


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block of a page. `mark` is what the comment above it says, or nothing. `section`: as links name it."""

    page: Path
    section: str
    line: int
    kind: str
    text: str
    mark: str

    @property
    def why_not(self) -> str | None:
        return self.mark.removeprefix(_NOT_RUN).strip() if self.mark.startswith(_NOT_RUN) else None

    @property
    def alone(self) -> bool:
        return self.mark == _ALONE

    @property
    def file(self) -> str | None:
        return self.mark.removeprefix(_FILE) if self.mark.startswith(_FILE) else None

    def steps(self) -> list[Step]:
        """The commands, each behind its prompt, and only the last one may fail."""
        code = int(self.mark.removeprefix(_ENDS)) if self.mark.startswith(_ENDS) else 0
        parts = re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]
        return [_step(part, code=code if number == len(parts) else 0) for number, part in enumerate(parts, 1)]


def blocks(page: Path) -> Iterator[Block]:
    """All blocks of the page, from its beginning to its end."""
    page_text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(page_text):
        line = page_text.count("\n", 0, found.start("kind")) + 1
        yield Block(
            page=page,
            section=_section(page_text[: found.start()]),
            line=line,
            kind=found["kind"],
            text=found["text"],
            mark=found["mark"] or "",
        )


def shell_blocks(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.kind in SHELL]


def _section(above: str) -> str:
    """The last heading of level 2 in this text, as links name it."""
    headings = re.findall(r"^## (.+)$", above, re.MULTILINE)
    return re.sub(r"[^\w-]", "", headings[-1].lower().replace(" ", "-")) if headings else ""


def _step(part: str, *, code: int) -> Step:
    lines = part.split("\n")
    last = next(number for number, line in enumerate(lines) if not line.endswith("\\"))
    return Step(command="\n".join(lines[: last + 1]), output="\n".join(lines[last + 1 :]).strip("\n"), code=code)
