"""docs/operations.md lists the dead letters that a retry can settle, and the states of a letter, as the code does."""

from agree.pages import ROOT, rows, section
from unenroll.ops.dlq.rules import RETRY_CONDITIONS
from unenroll.postgres.redrives import LetterState

PAGE = ROOT / "docs" / "operations.md"


def test_the_page_has_each_reason_with_a_retry_condition() -> None:
    assert {cells[0]: cells[1] for cells in rows(section(PAGE, "When a retry succeeds"))} == RETRY_CONDITIONS


def test_the_page_has_each_state() -> None:
    assert [cells[0] for cells in rows(section(PAGE, "States of a letter"))] == [
        state.value for state in (LetterState.OPEN, LetterState.REDRIVEN, LetterState.PARKED, LetterState.UNSETTLED)
    ]
