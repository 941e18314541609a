"""Similar cases: every test run tries some of them, `make test-all` tries all."""

from collections.abc import Container, Iterable

import pytest
from _pytest.mark import ParameterSet


def some(cases: Iterable[str], *, always: Container[str]) -> list[str | ParameterSet]:
    """Parameters for parametrize: the cases that are not in `always` are marked thorough."""
    return [case if case in always else pytest.param(case, marks=pytest.mark.thorough) for case in cases]
