"""The demo's examples are those of rules.md section 6, and expect what its tables say."""

import re
from pathlib import Path

import pytest

from unenroll.core.standings import Rule
from unenroll.demo.examples import CHAPTERS

RULES = (Path(__file__).parents[2] / "docs" / "rules.md").read_text("utf-8")
ROWS = {row[1]: row[0] for row in re.finditer(r"^\| ([AS]\d+) \|.*$", RULES, re.MULTILINE)}
EXAMPLES = {example.name: example for chapter in CHAPTERS for example in chapter.examples}
STATES = {"K": "KEPT", "C": "CANCELLED"}


def standings_of(row: str) -> dict[str, str]:
    """What a row says of the milestone's rewards in the end, carrying on; in the words of the demo."""
    last = row.split("|")[-2].partition("with `initialBalance")[0]
    found = re.findall(r"\b(R\d+) (?:([KC]) (\d)|`(ALREADY_ACHIEVED)`)(?: (VOID|REVERSE))?", last)
    return {
        reward_id: (f"{STATES[state]} {number} {list(Rule)[int(number) - 1]}" if state else f"CANCELLED {repeated}")
        + (f", {action}" if action else "")
        for reward_id, state, number, repeated, action in found
    }


def test_each_row_is_an_example_and_each_example_is_a_row_or_its_variant() -> None:
    assert len(ROWS) == 16
    assert {name.removesuffix(" starting over") for name in EXAMPLES} == set(ROWS)


@pytest.mark.parametrize("name", sorted(name for name in ROWS if name.startswith("A")))
def test_an_example_expects_what_its_row_says_of_each_reward(name: str) -> None:
    expected = {event.name: event.expected.result for event in EXAMPLES[name].events}
    said = standings_of(ROWS[name])
    assert said or name == "A8"
    assert said.items() <= expected.items()
