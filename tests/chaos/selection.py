"""What every test run tries, and what only `make faults` has time for."""

from collections.abc import Iterable

import pytest
from _pytest.mark import ParameterSet

from chaos.revoked_rights import RIGHTS
from support.phases import PHASES

_SOME = frozenset({"deciding", "commit sent"})
_ALSO = frozenset({"killed, decided", "killed, begun", "frozen, sent"})
_SELDOM = frozenset(RIGHTS)
_SELDOM_WHEN = " at a statement"


def tried(names: Iterable[str]) -> list[str | ParameterSet]:
    """To be parametrized with: cases by name, which end with their phase if they have one, or phases themselves.

    Every fault is always tried at some phases, and what Postgres refuses at COMMIT.
    """
    return [name if _always(name) else pytest.param(name, marks=pytest.mark.thorough) for name in names]


def _always(name: str) -> bool:
    phase = name.rpartition(", ")[2]
    if name in _SELDOM or name.endswith(_SELDOM_WHEN):
        return False
    return phase not in PHASES or phase in _SOME or name in _ALSO
