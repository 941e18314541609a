"""The reference is what the code says, all of it."""

import pytest
from documents.reference import FOLDER, pages

MADE = pages()


@pytest.mark.parametrize("name", MADE)
def test_a_page_of_the_reference_is_what_the_code_makes_now(name: str) -> None:
    kept = FOLDER / name
    assert kept.exists(), "run `make reference`"
    assert kept.read_text(encoding="utf-8") == MADE[name], "run `make reference`"


def test_no_page_of_the_reference_is_of_something_that_is_gone() -> None:
    assert {page.name for page in FOLDER.glob("*.md")} == set(MADE)
