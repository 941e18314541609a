"""The pages are all in the site, and each shell block of theirs is run, or says why not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from agree.pages import ROOT
from docs.played import PLAYED
from docs.shown import PAGES, Block, shell_blocks

DOCS = ROOT / "docs"
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


def listed(nav: Any) -> Iterator[str]:  # noqa: ANN401 - as YAML has it
    for one in nav:
        (target,) = one.values() if isinstance(one, dict) else (one,)
        yield from listed(target) if isinstance(target, list) else [target]


def test_each_page_is_in_the_site_once() -> None:
    named = sorted(name for name in listed(SITE["nav"]) if name != "index.md")  # that is the README
    assert named == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_the_site_asks_nobody_for_fonts() -> None:
    assert SITE["theme"]["font"] is False


@pytest.mark.parametrize(
    "block",
    [block for page in PAGES for block in shell_blocks(page)],
    ids=lambda block: f"{block.page.relative_to(ROOT)}:{block.line}",
)
def test_each_shell_block_is_run_or_says_why_not(block: Block) -> None:
    if block.why_not is not None:
        assert len(block.why_not.split()) > 2
    else:
        assert block.kind == "console", "a block without prompts cannot be run: mark it, or write `console`"
        page = str(block.page.relative_to(ROOT))
        assert {page, f"{page}#{block.section}"} & PLAYED.keys()
        assert block.steps()


@pytest.mark.parametrize("played", PLAYED)
def test_a_page_or_section_that_is_played_has_something_to_play(played: str) -> None:
    page, _, section = played.partition("#")
    assert any(block.why_not is None and section in {"", block.section} for block in shell_blocks(Path(ROOT / page)))
