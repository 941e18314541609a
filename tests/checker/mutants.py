"""Ways in which a history can be bad, each with the invariant that must say so."""

from collections.abc import Callable

from checker.history import History

Mutate = Callable[[History], History]

Mutants = dict[str, tuple[str, Mutate]]
"""By name: the name of the invariant, and what makes a good history a bad one."""


def kept_in(mutants: Mutants) -> Callable[[str], Callable[[Mutate], Mutate]]:
    """A decorator that keeps mutants by their names, and takes the name of the invariant that must catch them."""

    def mutant(caught_by: str) -> Callable[[Mutate], Mutate]:
        def kept(mutate: Mutate) -> Mutate:
            mutants[mutate.__name__] = (caught_by, mutate)
            return mutate

        return kept

    return mutant
