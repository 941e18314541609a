"""The lane protocol: every interleaving keeps the promises, and without any one guard some interleaving does not."""

import pytest

from agree.pages import ROOT, rows, section
from model_check.guards import Guard, Rules, Touch
from model_check.scenarios import REDUNDANT, REMOVALS, Removal, explore, without
from model_check.search import Found

PAGE = ROOT / "docs" / "guarantees.md"

SCENARIOS = [
    Rules(records="aba"),
    Rules(records="aba", sizes=(2,), touch=Touch.EXPIRE),
    Rules(records="ab", sizes=(2,), touch=Touch.BACK),
    Rules(records="ab", sizes=(2,), touch=Touch.BACK_IN_ONE),
    Rules(records="ab", sizes=(2,), touch=Touch.FORWARD),
]


SELDOM = {Touch.BACK, Touch.BACK_IN_ONE, Touch.FORWARD}
TRIED = [pytest.param(one, marks=pytest.mark.thorough) if one.touch in SELDOM else one for one in SCENARIOS]


@pytest.mark.parametrize("rules", TRIED, ids=lambda rules: rules.touch.value)
def test_whatever_happens_every_output_is_visible_once_and_in_order(
    rules: Rules, capsys: pytest.CaptureFixture[str]
) -> None:
    found = explore(rules)
    tell(capsys, f"{rules.touch.value} happens to the committed offset: {found}")
    assert found.ended, str(found)


@pytest.mark.parametrize("touch", [Touch.EXPIRE, Touch.BACK], ids=lambda touch: touch.value)
def test_only_in_the_soft_spot_may_outputs_appear_twice(touch: Touch) -> None:
    found = explore(Rules(records="ab", sizes=(2,), touch=touch, soft_spot=True))
    assert found.wrong == "an output is visible twice", str(found)


@pytest.mark.parametrize(
    ("removal", "expected"),
    [*zip(REMOVALS, rows(section(PAGE, "Without a guard")), strict=True)],
    ids=lambda given: "+".join(guard.name.lower() for guard in given.guards) if isinstance(given, Removal) else "",
)
def test_without_a_guard_something_goes_wrong_as_the_page_says(
    removal: Removal, expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = explore(without(removal))
    tell(capsys, f"{'; '.join(guard.value for guard in removal.guards)}: {found.wrong}, {found.worlds} worlds")
    assert found.wrong, f"nothing goes wrong: {found}"
    assert expected[:4] == row(removal, found), str(found)


def test_the_epoch_is_compared_twice_in_one_transaction_and_once_would_do() -> None:
    assert explore(without(REDUNDANT)).ended


def test_each_guard_is_taken_away() -> None:
    assert {guard for removal in REMOVALS for guard in removal.guards} == set(Guard)


def row(removal: Removal, found: Found) -> list[str]:
    after = "" if removal.touch is Touch.NONE else removal.touch.value
    return ["; ".join(guard.value for guard in removal.guards), after, found.wrong, str(found.depth)]


def tell(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n{text}", end=" ")  # noqa: T201 - how much was seen says how much the test is worth
