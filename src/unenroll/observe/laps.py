"""How long each step of a batch takes."""

from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple


class Lap(NamedTuple):
    """A step, and when it began and ended by `time.perf_counter`."""

    step: str
    began: float
    ended: float


@dataclass(kw_only=True, slots=True)
class Laps:
    """Steps, one after the other."""

    _began: float = field(default_factory=perf_counter)
    _all: list[Lap] = field(default_factory=list)

    def end(self, step: str) -> None:
        """The step ends here, and the next one begins."""
        now = perf_counter()
        self._all.append(Lap(step, self._began, now))
        self._began = now

    def all(self) -> tuple[Lap, ...]:
        """Those that have ended."""
        return tuple(self._all)
