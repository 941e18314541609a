"""Cases that differ little: every test run tries some of them, `make test-all` all."""

from collections.abc import Container, Iterable

import pytest
from _pytest.mark import ParameterSet


def some(cases: Iterable[str], *, always: Container[str]) -> list[str | ParameterSet]:
    """To be parametrized with: those that are not for `always` are thorough."""
    return [case if case in always else pytest.param(case, marks=pytest.mark.thorough) for case in cases]
