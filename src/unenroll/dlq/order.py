"""What is to be put back, and what became of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from unenroll.dlq.judging import Edit, Fate
from unenroll.dlq.told import LetterTold
from unenroll.dlq.wanted import Wanted

_MOST_TOLD = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class RedriveOptions:
    """What is to be put back. `most_redrives`: a letter that was put back so often is parked instead.

    `dry_run`: only tell. `even_parked`: also what somebody parked. `by`: who wants it.
    """

    wanted: Wanted
    by: str
    most_redrives: int
    even_parked: bool = False
    dry_run: bool = False
    edit: Edit | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Redriven:
    """How many letters were put back, or parked because they had been put back too often, and why others were not.

    Of a dry run: would be. `letters` are the first 50 that were put back or parked.
    """

    dry_run: bool
    put_back: int
    parked: int
    left_alone: Mapping[str, int]
    letters: tuple[LetterTold, ...]


@dataclass(kw_only=True, slots=True)
class Tally:
    """The fates of letters, counted as they come."""

    fates: Counter[Fate] = field(default_factory=Counter)
    letters: list[LetterTold] = field(default_factory=list)

    def add(self, fate: Fate, one: LetterTold) -> None:
        """One letter more."""
        self.fates[fate] += 1
        if fate in {Fate.PUT_BACK, Fate.TOO_OFTEN} and len(self.letters) < _MOST_TOLD:
            self.letters.append(one)

    def redriven(self, *, dry_run: bool) -> Redriven:
        """All of them together."""
        left = {fate.value: count for fate, count in self.fates.items() if fate not in {Fate.PUT_BACK, Fate.TOO_OFTEN}}
        return Redriven(
            dry_run=dry_run,
            put_back=self.fates[Fate.PUT_BACK],
            parked=self.fates[Fate.TOO_OFTEN],
            left_alone=left,
            letters=tuple(self.letters),
        )
